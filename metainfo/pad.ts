import type { FileSpec } from "./build.ts";

/** Where {@link padFiles} puts padding. */
export interface PadOptions {
  /** Whether the last file that is not empty is followed by padding too. */
  readonly afterLast: boolean;
}

/**
 * Puts a padding file (BEP 47) behind each file that does not end at a piece boundary, so that the next
 * one that is not empty begins at one.
 *
 * An empty file needs none, and gets none. The path of padding is `.pad/BYTES`, as other programs have it.
 *
 * **Units**: `pieceLength` in bytes.
 */
export function padFiles(
  files: readonly FileSpec[],
  pieceLength: number,
  { afterLast }: PadOptions,
): FileSpec[] {
  const last = files.findLastIndex(({ bytes }) => bytes > 0);
  const padded: FileSpec[] = [];
  files.forEach((file, i) => {
    padded.push(file);
    const bytes = (pieceLength - file.bytes % pieceLength) % pieceLength;
    if (file.bytes === 0 || bytes === 0 || i === last && !afterLast) return;
    padded.push({ path: [".pad", String(bytes)], bytes, padding: true });
  });
  return padded;
}
