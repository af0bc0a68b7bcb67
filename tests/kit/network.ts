import { run } from "./running_process.ts";

const IP_LIMIT_MS = 10_000;
const NAME_PREFIX = "enj";

/** Where a process runs, as the network sees it. */
export interface Place {
  /** The address under which it is reached, and to listen on. */
  readonly host: string;
  /** Its network namespace; null for the test's own. */
  readonly namespace: string | null;
}

/** Two places that reach one another and nothing else that matters: loopback, or two namespaces. */
export interface Network extends AsyncDisposable {
  readonly left: Place;
  readonly right: Place;
}

/** Loopback: both places are 127.0.0.1. */
export function loopback(): Network {
  const place: Place = { host: "127.0.0.1", namespace: null };
  return { left: place, right: place, [Symbol.asyncDispose]: () => Promise.resolve() };
}

let pairsMade = 0;

/**
 * Makes two network namespaces joined by a pair of virtual cables: 10.77.0.1 and 10.77.0.2, loopback up, no
 * way out. For programs that do not talk to peers on 127.0.0.0/8. Needs root and Linux.
 *
 * Names hold the test's process id, and what processes that are no more have left behind is removed first.
 *
 * **Ownership**: the caller disposes of it after the processes in it have ended.
 */
export async function namespacePair(): Promise<Network> {
  await removeAbandoned();
  pairsMade++;
  const left = `${NAME_PREFIX}-${Deno.pid}-${pairsMade}l`;
  const right = `${NAME_PREFIX}-${Deno.pid}-${pairsMade}r`;
  const network: Network = {
    left: { host: "10.77.0.1", namespace: left },
    right: { host: "10.77.0.2", namespace: right },
    [Symbol.asyncDispose]: async () => {
      for (const name of await listNamespaces()) {
        if (name === left || name === right) await ip("netns", "del", name);
      }
    },
  };
  try {
    await ip("netns", "add", left);
    await ip("netns", "add", right);
    // Both ends are born inside the namespaces: the machine's own network never sees them.
    await ip("-n", left, "link", "add", "cable", "type", "veth", "peer", "cable", "netns", right);
    for (const place of [network.left, network.right]) {
      await ip("-n", place.namespace!, "addr", "add", `${place.host}/24`, "dev", "cable");
      await ip("-n", place.namespace!, "link", "set", "cable", "up");
      await ip("-n", place.namespace!, "link", "set", "lo", "up");
    }
  } catch (error) {
    await network[Symbol.asyncDispose]();
    throw error;
  }
  return network;
}

/** Whether this process may make namespaces. */
export async function canMakeNamespaces(): Promise<boolean> {
  try {
    await using _pair = await namespacePair();
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether something listens on a TCP port in the network that a process lives in. Reads `/proc`, so that nothing
 * has to connect and the test need not be in that namespace.
 */
export async function isListening(pid: number, port: number): Promise<boolean> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const table of ["tcp", "tcp6"]) {
    const text = await Deno.readTextFile(`/proc/${pid}/net/${table}`).catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const [, local, , state] = line.trim().split(/\s+/);
      if (local?.endsWith(suffix) && state === "0A") return true;
    }
  }
  return false;
}

async function removeAbandoned(): Promise<void> {
  for (const name of await listNamespaces()) {
    const pid = new RegExp(`^${NAME_PREFIX}-(\\d+)-\\d+[lr]$`).exec(name)?.[1];
    if (pid === undefined) continue;
    const isAlive = await Deno.stat(`/proc/${pid}`).then(() => true, () => false);
    // Another test run may be doing the same.
    if (!isAlive) await ip("netns", "del", name).catch(() => {});
  }
}

async function listNamespaces(): Promise<string[]> {
  return (await ip("netns", "list")).map((line) => line.split(" ")[0]!);
}

async function ip(...args: string[]): Promise<string[]> {
  return await run("ip", args, IP_LIMIT_MS);
}
