/**
 * Overlay nodes as real processes over loopback: found, one killed, another started.
 */
import { fileURLToPath } from "node:url";
import { assertEquals } from "@std/assert";
import { RunningProcess } from "../kit/running_process.ts";

const LIMIT_MS = 30_000;
const program = fileURLToPath(new URL("node_program.ts", import.meta.url));

async function start(bootstrap: string[], infoHash = "") {
  const args = ["run", "--allow-net", program, bootstrap.join(","), infoHash];
  const process = RunningProcess.start(Deno.execPath(), args);
  const { address } = await process.waitForEvent("listening", LIMIT_MS);
  return { process, address: address as string };
}

/** Waits until a process knows a provider of an info-hash. */
function knows({ process }: { process: RunningProcess }, infoHash: string) {
  return process.waitForEvent("added", LIMIT_MS, (event) => event.infoHash === infoHash);
}

Deno.test("overlay processes find providers, also when the node where all began was killed", async () => {
  const [first, second, third] = ["a1", "b2", "c3"].map((byte) => byte.repeat(20)) as [
    string,
    string,
    string,
  ];
  const one = await start([], first);
  await using _one = one.process;
  const two = await start([one.address], second);
  await using _two = two.process;
  const three = await start([one.address]);
  await using _three = three.process;
  await knows(one, second);
  for (const infoHash of [first, second]) await knows(three, infoHash);

  one.process.signal("SIGKILL");
  await one.process.exited;
  const four = await start([one.address, three.address], third);
  await using _four = four.process;
  const provider = await knows(two, third);
  assertEquals(provider.address, four.address);
  await knows(four, second);
});
