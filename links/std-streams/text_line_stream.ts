/**
 * `TextLineStream` as in `@std/streams/text-line-stream`.
 *
 * @module
 */

/** Options of `TextLineStream`. */
export interface TextLineStreamOptions {
  /** Whether `\r` alone ends a line too. By default only `\n` and `\r\n` do. */
  allowCR?: boolean;
}

/**
 * Cuts text into lines, without their ends. A last line without an end is a line too, if it is not empty.
 *
 * **Limits**: none: a line is kept until its end comes, however long it is.
 *
 * @example
 * ```ts
 * import { TextLineStream } from "@std/streams/text-line-stream";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = ReadableStream.from(["one\ntw", "o\r\n"]).pipeThrough(new TextLineStream());
 * assertEquals(await Array.fromAsync(lines), ["one", "two"]);
 * ```
 */
export class TextLineStream extends TransformStream<string, string> {
  /** Makes the stream. */
  constructor(options?: TextLineStreamOptions) {
    const allowCR = options?.allowCR ?? false;
    // A `\r` at the very end is left for the next piece of text: a `\n` may follow.
    const ends = allowCR ? /\r\n|\n|\r(?!$)/ : /\r?\n/;
    let begun = "";
    super({
      transform(text, controller) {
        const lines = (begun + text).split(ends);
        begun = lines.pop() ?? "";
        for (const line of lines) controller.enqueue(line);
      },
      flush(controller) {
        if (begun === "") return;
        controller.enqueue(
          allowCR && begun.endsWith("\r") ? begun.slice(0, -1) : begun,
        );
      },
    });
  }
}
