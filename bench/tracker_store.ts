/**
 * Measures the tracker's store in memory: what peers take, what announces cost, how long expiry holds others up.
 *
 * `deno run -A bench/tracker_store.ts [--peers 1000000] [--swarms 100000]`
 *
 * Every tenth peer has an IPv6 address; swarm `k` is twice as likely as swarm `2k`, as popular torrents are.
 * Memory is what the process has resident more than before the store was made (needs Linux).
 */
import { parseArgs } from "@std/cli/parse-args";
import { MemorySwarmStore, type SwarmAnnounce, SwarmAnswer } from "@enjambre/tracker";

const MIB = 1024 * 1024;
/** Announces that are measured. */
const ANNOUNCES = 500_000;
const TTL_MS = 3_660_000;

async function residentMebibytes(): Promise<number> {
  const status = await Deno.readTextFile("/proc/self/status");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}

/** Peer `n`, in a swarm that depends on it alone. */
function fillAnnounce(
  target: { -readonly [K in keyof SwarmAnnounce]: SwarmAnnounce[K] },
  n: number,
  swarms: number,
): void {
  const swarm = Math.floor(swarms ** ((n * 0.6180339887498949) % 1));
  new DataView(target.infoHash.buffer).setUint32(0, swarm);
  new DataView(target.peerId.buffer).setUint32(4, n);
  target.address = n % 10 === 0 ? six : four;
  new DataView(target.address.buffer).setUint32(target.address.length - 4, n);
  target.seed = n % 3 === 0;
}

const four = new Uint8Array([10, 0, 0, 0]);
const six = new Uint8Array(16).fill(0x20);

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["peers", "swarms"],
    default: { peers: "1000000", swarms: "100000" },
  });
  const peers = Number(flags.peers);
  const swarms = Number(flags.swarms);
  const idle = await residentMebibytes();
  const store = new MemorySwarmStore({ peerTtlMs: TTL_MS, random: Math.random });
  const answer = new SwarmAnswer();
  const announce = {
    infoHash: new Uint8Array(20),
    peerId: new Uint8Array(20),
    address: four,
    port: 6881,
    key: 0,
    hostname: null,
    seed: false,
    event: "" as const,
    numWant: 50,
    form: "compact" as const,
  };
  const enterMs = performance.now();
  for (let n = 0; n < peers; n++) {
    fillAnnounce(announce, n, swarms);
    store.announce(announce, n / peers * 1000, answer);
    if (answer.refusal !== null) throw new Error(answer.refusal);
  }
  const enteredMs = performance.now() - enterMs;
  const resident = await residentMebibytes() - idle;
  console.log(
    `${store.peerCount} peers in ${store.swarmCount} swarms: ${
      resident.toFixed(0)
    } MiB above the idle ` +
      `process (${idle.toFixed(0)} MiB), ${(resident * MIB / peers).toFixed(0)} bytes per peer`,
  );
  console.log(`entering them: ${(enteredMs * 1000 / peers).toFixed(2)} us each`);
  let given = 0;
  const announceMs = performance.now();
  for (let i = 0; i < ANNOUNCES; i++) {
    fillAnnounce(announce, (i * 7919) % peers, swarms);
    store.announce(announce, 1000, answer);
    given += answer.count4 + answer.count6;
  }
  const eachUs = (performance.now() - announceMs) * 1000 / ANNOUNCES;
  console.log(
    `announcing again: ${eachUs.toFixed(2)} us each, ${
      (given / ANNOUNCES).toFixed(1)
    } peers returned`,
  );
  await measureExpiry(store);
}

/** Lets all expire in steps, as the server's timer does, and looks at how long each holds up the event loop. */
async function measureExpiry(store: MemorySwarmStore): Promise<void> {
  const count = store.peerCount;
  const steps: number[] = [];
  const startMs = performance.now();
  while (store.peerCount > 0) {
    const beforeMs = performance.now();
    store.expire(TTL_MS + 1000);
    steps.push(performance.now() - beforeMs);
    await new Promise((resolve) => setTimeout(resolve));
  }
  steps.sort((a, b) => a - b);
  const at = (part: number): string => steps[Math.floor((steps.length - 1) * part)]!.toFixed(2);
  console.log(
    `expiry of ${count} peers in ${steps.length} steps: half of them within ${
      at(0.5)
    } ms, 99 of 100 within ` +
      `${at(0.99)} ms, the longest ${at(1)} ms; all ${(performance.now() - startMs).toFixed(0)} ms`,
  );
}

if (import.meta.main) await main();
