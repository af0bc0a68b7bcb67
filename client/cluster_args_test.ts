import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseCommandLine } from "./args.ts";
import type { ClusterOptions } from "./commands.ts";
import { CommandFailure } from "./failure.ts";

function clusterOf(args: string, environment: Record<string, string> = {}): ClusterOptions | null {
  const { command } = parseCommandLine(
    ["tracker", ...args.split(" ").filter((arg) => arg !== "")],
    (name) => environment[name],
  );
  return command.name === "tracker" ? command.cluster ?? null : null;
}

Deno.test("readCluster() reads where the others are, and how we are reached", () => {
  assertEquals(clusterOf(""), null);
  assertEquals(clusterOf("--cluster-secret-file s"), { others: [], port: 6970, secretFile: "s" });
  assertEquals(
    clusterOf(
      "--cluster a:1,b:2 --cluster [::1]:3 --cluster-port 7 --cluster-hostname me" +
        " --cluster-secret-file s --interval 3570",
    ),
    { others: ["a:1", "b:2", "[::1]:3"], port: 7, hostname: "me", secretFile: "s" },
  );
  const variables = {
    ENJAMBRE_TRACKER_CLUSTER: "a:1, b:2",
    ENJAMBRE_TRACKER_CLUSTER_PORT: "7",
    ENJAMBRE_TRACKER_CLUSTER_SECRET_FILE: "s",
  };
  const expected = { others: ["a:1", "b:2"], port: 7, secretFile: "s" };
  assertEquals(clusterOf("", variables), expected);
});

Deno.test("readCluster() refuses what makes no sense, with a remedy", () => {
  const table: [args: string, words: string][] = [
    ["--cluster a:1", "--cluster needs --cluster-secret-file FILE"],
    ["--cluster-port 7", "--cluster-port needs --cluster-secret-file FILE"],
    ["--cluster a --cluster-secret-file s", '--cluster is "a"; HOST:PORT'],
    ["--cluster a:1, --cluster-secret-file s", '--cluster is ""; HOST:PORT'],
    ["--cluster-port x --cluster-secret-file s", '--cluster-port is "x"'],
    ["--cluster-secret-file s --interval 3571", "a whole number from 1 to 3570 is due"],
    ["--cluster-secret-file s --store redis://h", "exclude each other"],
  ];
  for (const [args, words] of table) {
    const failure = assertThrows(() => clusterOf(args), CommandFailure) as CommandFailure;
    assertStringIncludes(failure.message, words);
    assertEquals(failure.exitCode, 2);
  }
});
