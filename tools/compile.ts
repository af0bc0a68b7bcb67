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

/** Runs `deno` with `args`; what it printed is in the result. */
async function runDeno(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ ok: boolean; stdout: string; stderr: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    env: { NO_COLOR: "1", ...env },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { ok: success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/**
 * The folder of `bintrees`, a dependency of `prom-client`, that must stay out of the executable: `deno compile`
 * reads files without an extension as programs, and its `test/perf/100k`, a number a line, overflows the stack
 * of Deno 2.9 (denoland/deno issue 36746).
 */
async function deepFolder(): Promise<string> {
  const { stdout } = await runDeno(["info", "--json", "client/main.ts"]);
  const packages: { name: string; localPath: string }[] = Object.values(
    JSON.parse(stdout).npmPackages,
  );
  const bintrees = packages.find(({ name }) => name === "bintrees");
  if (bintrees === undefined) {
    throw new Error("nothing needs bintrees any more: take deepFolder() out of tools/compile.ts");
  }
  return `${bintrees.localPath}/test`;
}

/** Compiles; what it printed is in the result. */
async function compile(denortBin: string | undefined): Promise<{ ok: boolean; text: string }> {
  const { ok, stdout, stderr } = await runDeno(
    [
      ...["compile", ...permissions, "--unstable-net"],
      ...["--include", "tracker/tracker_worker_deno.ts", "--exclude", await deepFolder()],
      ...["--output", OUTPUT, "client/main.ts"],
    ],
    denortBin === undefined ? {} : { DENORT_BIN: denortBin },
  );
  return { ok, text: stdout + stderr };
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
