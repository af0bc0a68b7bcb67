/** A small repository in a temporary folder, and the checking programs run on it. */

import { fileURLToPath } from "node:url";

/** The modules that the small repository has. */
const modules = ["bencode", "metainfo", "peerwire", "storage", "tracker", "overlay", "client"];

/** A folder that is removed when the variable that holds it goes out of scope. */
export interface Tree extends AsyncDisposable {
  readonly root: string;
  /** Writes a file, and the folders above it. */
  write(path: string, text: string): Promise<void>;
  /** Removes a file. */
  remove(path: string): Promise<void>;
}

/** Makes a repository that keeps every rule. */
export async function cleanTree(): Promise<Tree> {
  const root = await Deno.makeTempDir({ prefix: "enjambre-tools-" });
  const tree: Tree = {
    root,
    async write(path, text) {
      const folder = path.split("/").slice(0, -1).join("/");
      await Deno.mkdir(`${root}/${folder}`, { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, text);
    },
    remove: (path) => Deno.remove(`${root}/${path}`),
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
  const workspace = modules.map((name) => `./${name}`);
  await tree.write("deno.json", JSON.stringify({ version: "0.1.0", workspace }));
  await tree.write("README.md", "# Small\n\n[bencode](bencode/README.md)\n");
  await tree.write("mod.ts", 'export * as bencode from "@enjambre/bencode";\n');
  for (const name of modules) {
    const config = { name: `@enjambre/${name}`, version: "0.1.0", exports: "./mod.ts" };
    await tree.write(`${name}/deno.json`, JSON.stringify(config));
    await tree.write(`${name}/README.md`, `# ${name}\n`);
    await tree.write(`${name}/mod.ts`, 'export { a } from "./a.ts";\n');
    await tree.write(`${name}/a.ts`, "export const a: number = 1;\n");
  }
  await tree.write("tests/kit/world.ts", "export const startMs: number = Date.now();\n");
  return tree;
}

/** Runs a program of this folder on a repository. */
export async function runTool(
  program: string,
  root: string,
): Promise<{ code: number; lines: string[] }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", fileURLToPath(new URL(program, import.meta.url)), root],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  if (stdout.length === 0) throw new Error(decoder.decode(stderr));
  return { code, lines: decoder.decode(stdout).trimEnd().split("\n") };
}
