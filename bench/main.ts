/**
 * What `deno task bench` runs: with `check`, `create`, `leech`, `swarm` or `tracker` in front that program, with its options, else `deno bench`.
 *
 * `deno run -A bench/main.ts [check|create|leech|swarm|tracker] [OPTION...]`
 */
import { REPOSITORY } from "../tests/kit/enjambre.ts";

/** The measurements of whole processes, which `deno bench` does not run. */
const PROGRAMS = ["check", "create", "leech", "swarm", "tracker"];

if (import.meta.main) {
  const [name = "", ...options] = Deno.args;
  const args = PROGRAMS.includes(name)
    ? ["run", "-A", "--unstable-net", `bench/${name}.ts`, ...options]
    : ["bench", "-A", ...Deno.args];
  const child = new Deno.Command(Deno.execPath(), { args, cwd: REPOSITORY }).spawn();
  Deno.exit((await child.status).code);
}
