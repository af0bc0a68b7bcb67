/**
 * Dry run of publishing the root and every module of the workspace to JSR.
 *
 *     deno run -A tools/check_publish.ts
 */

const root = new URL("../", import.meta.url);
const { workspace } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root))) as {
  workspace: string[];
};

let failures = 0;
for (const folder of [".", ...workspace]) {
  const { success, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: new URL(`${folder}/`, root),
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  if (success) continue;
  failures++;
  const decoder = new TextDecoder();
  console.error(`${folder}:\n${decoder.decode(stdout)}${decoder.decode(stderr)}`);
}
if (failures > 0) Deno.exit(1);
console.log(`${workspace.length + 1} packages would publish`);
