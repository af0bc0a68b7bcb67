/** The files of a torrent to be made for a test. */
export interface Content {
  /** The name of the file or folder. */
  readonly name: string;
  /** The files below the folder; empty for a single file. */
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** The size of a single file; zero for a folder. */
  readonly bytes: number;
}

/** One file that ends in mid-piece and in mid-block. */
export const SINGLE_FILE: Content = {
  name: "one file.bin",
  files: [],
  bytes: 3 * 1024 * 1024 + 12_345,
};

/** A folder: empty files in the middle and at the end, files in one piece with others, names beyond ASCII. */
export const FOLDER: Content = {
  name: "a folder",
  files: [
    { path: "begin.bin", bytes: 1_500_001 },
    { path: "empty.bin", bytes: 0 },
    { path: "inner/deep/tiny.bin", bytes: 1 },
    { path: "inner/niño – 文.bin", bytes: 777_777 },
    { path: "inner/whole pieces.bin", bytes: 4 * 65_536 },
    { path: "last.bin", bytes: 2 * 1024 * 1024 + 1 },
    { path: "zero at the end.bin", bytes: 0 },
  ],
  bytes: 0,
};

/**
 * Bytes that look random and are the same for the same seed.
 *
 * **Source**: xorshift32 (Marsaglia, 2003), four bytes a step.
 */
export function pseudoRandomBytes(bytes: number, seed: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  // The state must not be zero; the multiplication sets neighbouring seeds apart.
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x2545f491) | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, bytes);
}

/** Writes content into a folder, and gives the path of its file or folder; the same seed gives the same bytes. */
export async function writeContent(
  folder: string,
  content: Content,
  seed: number = 1,
): Promise<string> {
  const root = `${folder}/${content.name}`;
  if (content.files.length === 0) {
    await Deno.writeFile(root, pseudoRandomBytes(content.bytes, seed));
    return root;
  }
  for (const [index, { path, bytes }] of content.files.entries()) {
    const full = `${root}/${path}`;
    await Deno.mkdir(full.slice(0, full.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(full, pseudoRandomBytes(bytes, seed + index));
  }
  return root;
}

/** How many bytes the content has. */
export function contentBytes(content: Content): number {
  return content.files.reduce((sum, file) => sum + file.bytes, content.bytes);
}
