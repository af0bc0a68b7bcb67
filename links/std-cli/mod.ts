/**
 * A stand-in for the parts of JSR's `@std/cli` that this repository uses, for machines that cannot
 * reach JSR. See `links/README.md`.
 *
 * @module
 */
export { type Args, parseArgs, type ParseOptions } from "./parse_args.ts";
export { unicodeWidth } from "./unicode_width.ts";
