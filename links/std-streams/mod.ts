/**
 * A stand-in for the part of JSR's `@std/streams` that this repository uses, for machines that cannot
 * reach JSR. See `links/README.md`.
 *
 * @module
 */
export { TextLineStream, type TextLineStreamOptions } from "./text_line_stream.ts";
