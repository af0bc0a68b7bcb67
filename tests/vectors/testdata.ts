/**
 * Where the test data that others wrote lies, and how a test says that it is not there.
 *
 * The files belong to other projects and are read in place, never copied: `ENJAMBRE_TESTDATA` names
 * their folder, else it is expected beside the repository.
 */

const root: URL = new URL(
  `file://${
    Deno.env.get("ENJAMBRE_TESTDATA") ??
      new URL("../../../shared/testdata", import.meta.url).pathname
  }/`,
);

/** Whether the test data is on this machine. */
export const hasTestdata: boolean = (() => {
  try {
    return Deno.statSync(root).isDirectory;
  } catch {
    return false;
  }
})();

/** Reads one file of the test data as bytes; `path` is relative to its folder. */
export function readTestdata(path: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(path.split("/").map(encodeURIComponent).join("/"), root));
}

/** One case of a vector file; each category has fields of its own. */
// deno-lint-ignore no-explicit-any -- the shape differs by category and is checked by the test itself
export type VectorCase = Record<string, any>;

/** Reads the cases of `vectors/NAME.json` or of an `expectations.json`; empty where there is no test data. */
export function readCases(path: string): VectorCase[] {
  if (!hasTestdata) return [];
  return JSON.parse(new TextDecoder().decode(readTestdata(path))).cases;
}

/** Defines a test over the test data, skipped (and saying so in its name) where that is absent. */
export function vectorTest(name: string, run: () => void | Promise<void>): void {
  Deno.test({
    name: hasTestdata ? name : `${name} (skipped: no test data beside the repository)`,
    ignore: !hasTestdata,
    fn: run,
  });
}

/** The bytes that a string of hexadecimal digits names. */
export function bytesOfHex(hex: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
