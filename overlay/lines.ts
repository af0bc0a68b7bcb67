/**
 * Cuts bytes into lines, of which none is too long.
 *
 * @module
 */

const LINE_END = 0x0a;

/**
 * Cuts what a socket brings into lines.
 *
 * `TextLineStream` of `@std/streams` keeps a line until its end comes, however long it is; this gives up.
 *
 * **Limits**: it keeps `bytesMax` bytes at most.
 */
export class LineSplitter {
  readonly #bytesMax: number;
  /** Most connections never keep more than the beginning of a short line. */
  #kept = new Uint8Array(1024);
  #length = 0;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });

  /** @param bytesMax longest line, its end not counted */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Takes what came. @returns the lines that are complete; `null` where a line is too long or no UTF-8: nothing
   * more is to be read then
   */
  push(bytes: Uint8Array): string[] | null {
    const lines: string[] = [];
    let begin = 0;
    for (let end; (end = bytes.indexOf(LINE_END, begin)) >= 0; begin = end + 1) {
      const line = this.#line(bytes.subarray(begin, end));
      if (line === null) return null;
      lines.push(line);
    }
    return this.#keep(bytes.subarray(begin)) ? lines : null;
  }

  #line(end: Uint8Array): string | null {
    if (!this.#keep(end)) return null;
    const line = this.#kept.subarray(0, this.#length);
    this.#length = 0;
    try {
      return this.#decoder.decode(line);
    } catch {
      return null;
    }
  }

  #keep(bytes: Uint8Array): boolean {
    const length = this.#length + bytes.length;
    if (length > this.#bytesMax) return false;
    if (length > this.#kept.length) {
      const kept = new Uint8Array(Math.min(this.#bytesMax, 2 * length));
      kept.set(this.#kept.subarray(0, this.#length));
      this.#kept = kept;
    }
    this.#kept.set(bytes, this.#length);
    this.#length = length;
    return true;
  }
}
