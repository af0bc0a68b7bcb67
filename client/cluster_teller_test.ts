import { assertEquals } from "@std/assert";
import { ClusterTeller } from "./cluster_teller.ts";
import { Reporter } from "./reporter.ts";

/** What is told, events as objects and words as lines. */
function bench(others: readonly string[]): { teller: ClusterTeller; told: string[] } {
  const told: string[] = [];
  const stream = {
    write: (text: string) => void told.push(text.trim()),
    isTerminal: false,
    hasColour: false,
    columns: () => 80,
  };
  const options = { json: true, quiet: false, verbose: false, nowMs: () => 0 };
  const reporter = new Reporter({ ...options, out: stream, err: stream });
  return { teller: new ClusterTeller(others, reporter, 0), told };
}

Deno.test("ClusterTeller tells how many others are there, when that changes", () => {
  const { teller, told } = bench(["a:1", "b:2"]);
  for (const ms of [0, 4999]) teller.look(0, ms);
  assertEquals(told, []);
  for (const ms of [5000, 9000]) teller.look(0, ms);
  assertEquals(told.splice(0), [
    '{"event":"cluster","members":0}',
    "warning: no other tracker of the cluster answers (a:1, b:2); it goes on trying",
  ]);
  for (const members of [2, 2, 1]) teller.look(members, 10_000);
  assertEquals(told.splice(0), [
    '{"event":"cluster","members":2}',
    "Cluster: 2 other trackers",
    '{"event":"cluster","members":1}',
    "Cluster: 1 other tracker",
  ]);
  for (const members of [0, 0]) teller.look(members, 20_000);
  assertEquals(told.splice(0), [
    '{"event":"cluster","members":0}',
    "warning: no other tracker of the cluster answers any more (a:1, b:2); it goes on trying",
  ]);
});

Deno.test("ClusterTeller warns of nobody where others come by themselves, and once of one it turns away", () => {
  const { teller, told } = bench([]);
  for (const ms of [0, 60_000]) teller.look(0, ms);
  for (let count = 0; count < 3; count++) teller.turnAway("10.0.0.1");
  assertEquals(told, [
    '{"event":"cluster-refused","from":"10.0.0.1"}',
    "warning: 10.0.0.1 does not share the secret of the cluster, and is told nothing; " +
    "the file of --cluster-secret-file has to be the same everywhere",
  ]);
});
