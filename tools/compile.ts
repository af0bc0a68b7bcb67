/**
 * Makes `dist/enjambre`, one executable with everything in it.
 *
 *     deno run -A tools/compile.ts        compiles, or says why that cannot be done here
 *     deno run -A tools/compile.ts --ci   compiles as far as the machine can, and runs the demo of the result
 *
 * With `--allow-net` and the like the executable may do that and no more; without any, all.
 *
 * `deno compile` takes its base binary from Deno's own site, or from the file that `DENORT_BIN` names. Where
 * there is neither, `--ci` takes the `deno` executable itself: that exercises all but running the result.
 */

const OUTPUT = "dist/enjambre";

/** What `deno compile` says when it cannot reach the site of its base binary. */
const UNREACHABLE = /dl\.deno\.land|error sending request|dns error/;

/** What the executable may do. */
const permissions = Deno.args.filter((arg) => arg.startsWith("--allow-"));
if (permissions.length === 0) permissions.push("--allow-all");

/** Compiles; what it printed is in the result. */
async function compile(denortBin: string | undefined): Promise<{ ok: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "compile",
        ...permissions,
        "--unstable-net",
        "--include",
        "tracker/tracker_worker_deno.ts",
      ],
      ...["--output", OUTPUT, "client/main.ts"],
    ],
    env: { NO_COLOR: "1", ...(denortBin !== undefined && { DENORT_BIN: denortBin }) },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { ok: success, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs the demo of the executable that was made. */
async function runDemo(): Promise<boolean> {
  const { success } = await new Deno.Command(OUTPUT, { args: ["demo"] }).spawn().status;
  return success;
}

const isCi = Deno.args.includes("--ci");
const { ok, text } = await compile(undefined);
if (ok) {
  console.log(`Made ${OUTPUT}`);
  if (isCi && !await runDemo()) Deno.exit(1);
} else if (!UNREACHABLE.test(text)) {
  console.error(text);
  Deno.exit(1);
} else if (!isCi) {
  console.error(
    "Cannot compile: the base binary of deno compile cannot be downloaded here; name one with DENORT_BIN",
  );
  Deno.exit(1);
} else {
  const standIn = await compile(Deno.execPath());
  if (!standIn.ok) {
    console.error(standIn.text);
    Deno.exit(1);
  }
  console.log(
    `Made ${OUTPUT} over the deno executable, for want of the base binary of deno compile; it was not run`,
  );
}
