/**
 * Measures three trackers that replicate to one another: new peers at one of them, and when the others know.
 *
 * `deno run -A bench/tracker_cluster.ts [--seconds 8] [--rates 500,1000,2000,4000] [--flood 100000]`
 *
 * Each tracker is the program itself. All peers are new, so that each announce has to be signed, told and
 * verified; all three trackers and this process share the machine's processors.
 *
 * - *answer*: from an announce to its answer, at the tracker that is announced to.
 * - *known*: from the answer until both others count the peer of a swarm of its own; they are asked without a
 *   pause, which is a part of the load.
 * - Then a tracker is killed and started again while 200 new peers announce every second, and last come as many
 *   as this process can send: in how much time, and how much later the others know them all.
 */
import { parseArgs } from "@std/cli/parse-args";
import { percentEncode } from "@enjambre/tracker";
import { REPOSITORY } from "../tests/kit/enjambre.ts";
import { RunningProcess } from "../tests/kit/running_process.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";

const READY_LIMIT_MS = 60_000;
/** Connections that announce at a time. */
const CONNECTIONS = 8;
const SWARMS = 1000;
/** How long the others may take to know all. */
const KNOWN_LIMIT_MS = 120_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");
let peers = 0;

interface Tracker {
  readonly process: RunningProcess;
  readonly port: number;
  readonly address: string;
}

async function start(secretFile: string, others: readonly string[], port = 0): Promise<Tracker> {
  const process = RunningProcess.start(Deno.execPath(), [
    ...["run", "-A", "client/main.ts", "tracker", "--hostname", "127.0.0.1", "--port", "0"],
    ...["--no-udp", "--json", "--cluster-port", String(port), "--cluster-secret-file", secretFile],
    ...(others.length === 0 ? [] : ["--cluster", others.join(",")]),
  ], { cwd: REPOSITORY });
  const listening = await process.waitForEvent("listening", READY_LIMIT_MS);
  return { process, port: Number(listening["port"]), address: String(listening["cluster"]) };
}

/** The query of a peer that nobody knows, in one of the swarms or one of its own. */
function queryOf(swarm: number | Uint8Array): string {
  const peerId = new Uint8Array(20);
  new DataView(peerId.buffer).setUint32(0, ++peers);
  let infoHash = swarm;
  if (typeof infoHash === "number") {
    // A swarm's first byte is any: trackers compare what they know by it.
    infoHash = new Uint8Array(20).fill(infoHash);
    new DataView(infoHash.buffer).setUint32(4, swarm as number);
  }
  return `/announce?info_hash=${percentEncode(infoHash)}&peer_id=${percentEncode(peerId)}` +
    `&port=${1 + peers % 60_000}&uploaded=0&downloaded=0&left=1&compact=1`;
}

/** Announces one after the other, `depth` at a time, while there is something to announce. */
async function announcePeers(
  port: number,
  depth: number,
  isDue: () => boolean | null,
  latenciesMs: number[],
): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(65_536);
  for (let due = isDue(); due !== null; due = isDue()) {
    if (!due) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      continue;
    }
    const queries = Array.from({ length: depth }, () => queryOf(peers % SWARMS));
    const startMs = performance.now();
    const text = queries.map((query) => `GET ${query} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
    await connection.write(encoder.encode(text));
    for (let answers = 0; answers < depth;) {
      const count = await connection.read(buffer);
      if (count === null) throw new Error("The tracker closed the connection");
      answers += decoder.decode(buffer.subarray(0, count)).split("8:interval").length - 1;
    }
    latenciesMs.push(performance.now() - startMs);
  }
}

/** Announces so many new peers every second; says how long answers took, and until the others knew. */
async function announceAtRate(
  at: Tracker,
  others: readonly Tracker[],
  rate: number,
  seconds: number,
): Promise<string> {
  const startMs = performance.now();
  const passed = (): number => (performance.now() - startMs) / 1000;
  const [answerMs, knownMs]: [number[], number[]] = [[], []];
  let sent = 0;
  const isDue = () => passed() >= seconds ? null : sent < rate * passed() && ++sent > 0;
  const probe = async (): Promise<void> => {
    while (others.length > 0 && passed() < seconds) knownMs.push(await timeToKnow(at, others));
  };
  const lines = Array.from(
    { length: CONNECTIONS },
    () => announcePeers(at.port, 1, isDue, answerMs),
  );
  await Promise.all([...lines, probe()]);
  const known = knownMs.length === 0
    ? ""
    : `  known p50 ${at2(knownMs, 0.5)} ms, p99 ${at2(knownMs, 0.99)} ms`;
  return `${String(Math.round(sent / seconds)).padStart(6)} new peers/s` +
    `  answer p50 ${at2(answerMs, 0.5)} ms, p99 ${at2(answerMs, 0.99)} ms, most ${
      at2(answerMs, 1)
    } ms` +
    known;
}

async function timeToKnow(at: Tracker, others: readonly Tracker[]): Promise<number> {
  const infoHash = crypto.getRandomValues(new Uint8Array(20));
  await (await fetch(`http://127.0.0.1:${at.port}${queryOf(infoHash)}`)).bytes();
  const startMs = performance.now();
  await Promise.all(others.map(async ({ port }) => {
    const url = `http://127.0.0.1:${port}/scrape?info_hash=${percentEncode(infoHash)}`;
    while (!(await (await fetch(url)).text()).includes("incompletei1e")) {
      if (performance.now() > startMs + KNOWN_LIMIT_MS) throw new Error("It never came");
    }
  }));
  return performance.now() - startMs;
}

/** Waits until a tracker knows all peers there are; says what it was sent by the others. */
async function untilAllKnown({ port }: Tracker): Promise<{ peers: number; received: number }> {
  const startMs = performance.now();
  for (;;) {
    const stats = await (await fetch(`http://127.0.0.1:${port}/stats`)).json();
    if (stats.peers >= peers) return { peers: stats.peers, received: stats.cluster.bytesReceived };
    if (performance.now() > startMs + KNOWN_LIMIT_MS) throw new Error("They never came");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function at2(values: number[], part: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) * part)] ?? NaN).toFixed(1);
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["seconds", "rates", "flood"],
    default: { seconds: "8", rates: "500,1000,2000,4000", flood: "100000" },
  });
  const seconds = Number(flags.seconds);
  await using folder = await TempFolder.make();
  const secretFile = folder.join("secret");
  await Deno.writeTextFile(secretFile, crypto.randomUUID());
  await using running = new AsyncDisposableStack();
  const begin = async (others: readonly string[], port?: number): Promise<Tracker> => {
    const tracker = await start(secretFile, others, port);
    running.use(tracker.process);
    return tracker;
  };
  const first = await begin([]);
  const second = await begin([first.address]);
  const third = await begin([first.address]);
  for (const { process } of [first, second, third]) {
    await process.waitForEvent("cluster", READY_LIMIT_MS, ({ members }) => members === 2);
  }
  for (const rate of flags.rates.split(",").map(Number)) {
    console.log(await announceAtRate(first, [second, third], rate, seconds));
  }

  await untilAllKnown(third);
  await third.process.end("SIGKILL");
  const again = await begin([first.address], Number(third.address.split(":")[1]));
  const startMs = performance.now();
  const catchUp = untilAllKnown(again).then(({ peers, received }) =>
    `${peers} peers after ${Math.round(performance.now() - startMs)} ms, ` +
    `${(received / 1e6).toFixed(1)} MB came, ${Math.round(received / peers)} bytes for each`
  );
  console.log(`while one that was killed is back:`);
  console.log(await announceAtRate(first, [], 200, seconds));
  console.log(`  it knows ${await catchUp}`);

  const flood = Number(flags.flood);
  let sent = 0;
  const floodMs = performance.now();
  const isDue = () => (sent += 4) <= flood ? true : null;
  const lines = Array.from(
    { length: 2 * CONNECTIONS },
    () => announcePeers(first.port, 4, isDue, []),
  );
  await Promise.all(lines);
  const tookMs = performance.now() - floodMs;
  for (const other of [second, again]) await untilAllKnown(other);
  const laterMs = Math.round(performance.now() - floodMs - tookMs);
  const rate = Math.round(flood / tookMs * 1000);
  console.log(`${flood} at once: ${rate} new peers/s, known at the others ${laterMs} ms later`);
}

if (import.meta.main) await main();
