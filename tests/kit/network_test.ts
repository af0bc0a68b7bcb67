import { assert, assertEquals } from "@std/assert";
import { eventually } from "./deadline.ts";
import { canMakeNamespaces, isListening, namespacePair } from "./network.ts";
import { findExecutable } from "./program.ts";
import { RunningProcess } from "./running_process.ts";

const LIMIT_MS = 20_000;
const hasNamespaces = findExecutable("ip") !== null && await canMakeNamespaces();
const skipped = hasNamespaces ? "" : " (skipped: namespaces cannot be made here)";

Deno.test({
  name: `namespacePair() joins two places that see one another and not the machine${skipped}`,
  ignore: !hasNamespaces,
  fn: async () => {
    await using outside = await listenOn("127.0.0.1", null);
    await using network = await namespacePair();
    await using inside = await listenOn(network.left.host, network.left.namespace);
    assert(await isListening(inside.process.pid, inside.port));
    const { namespace } = network.right;
    assertEquals(await connect(network.left.host, inside.port, namespace), "connected");
    assertEquals(await connect("127.0.0.1", outside.port, namespace), "refused");
    assertEquals(await connect(network.left.host, inside.port, null), "refused");
  },
});

Deno.test({
  name: `namespacePair() leaves nothing behind, and two pairs do not meet${skipped}`,
  ignore: !hasNamespaces,
  fn: async () => {
    const names: string[] = [];
    {
      await using first = await namespacePair();
      await using second = await namespacePair();
      names.push(first.left.namespace!, second.left.namespace!);
      await using server = await listenOn(first.left.host, first.left.namespace);
      const { namespace } = second.right;
      assertEquals(await connect(first.left.host, server.port, namespace), "refused");
    }
    for (const name of names) {
      const isThere = await Deno.stat(`/run/netns/${name}`).then(() => true, () => false);
      assertEquals(isThere, false, name);
    }
  },
});

Deno.test({
  name: "isListening() sees a listener come and go",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    assert(await isListening(Deno.pid, port));
    listener.close();
    await eventually(
      LIMIT_MS,
      "the port to be free",
      async () => !await isListening(Deno.pid, port) || null,
    );
  },
});

/** A process that listens on a port of a place. */
async function listenOn(
  hostname: string,
  namespace: string | null,
): Promise<AsyncDisposable & { process: RunningProcess; port: number }> {
  const process = RunningProcess.start(Deno.execPath(), [
    "eval",
    "--no-config",
    `const listener = Deno.listen({ hostname: "${hostname}", port: 0 });
    console.log(JSON.stringify({ event: "listening", port: listener.addr.port }));
    for await (const connection of listener) connection.close();`,
  ], { namespace });
  const { port } = await process.waitForEvent("listening", LIMIT_MS);
  return {
    process,
    port: Number(port),
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

/** Whether a process in that namespace gets a connection. */
async function connect(
  hostname: string,
  port: number,
  namespace: string | null,
): Promise<string> {
  await using process = RunningProcess.start(Deno.execPath(), [
    "eval",
    "--no-config",
    `const signal = AbortSignal.timeout(1000);
    const attempt = Deno.connect({ hostname: "${hostname}", port: ${port}, signal });
    const event = await attempt.then(() => "connected", () => "refused");
    console.log(event);
    Deno.exit();`,
  ], { namespace });
  return await process.waitForLine(/connected|refused/, LIMIT_MS);
}
