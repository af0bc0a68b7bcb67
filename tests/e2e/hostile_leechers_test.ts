/**
 * Our real `seed` against leechers that break the protocol or ask for too much, on real sockets: it hangs up on them
 * or bears with them in bounded memory, and an honest leecher is served meanwhile.
 */
import { assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { encodeHandshake, HANDSHAKE_BYTES, type MessageWriter } from "@enjambre/peerwire";
import { within } from "../kit/deadline.ts";
import { REPOSITORY, startEnjambre } from "../kit/enjambre.ts";
import { peakMemoryBytes } from "../kit/memory.ts";
import { RunningProcess } from "../kit/running_process.ts";
import { type Scope, scoped } from "../kit/scoped.ts";
import { handshakeOf, ScriptedPeer } from "../kit/scripted_peer.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import {
  assertDownloads,
  assertModest,
  flood,
  FLOOD_BYTES,
  HANG_UP_MS_MAX,
  shared,
  TEST_MS_MAX,
  untilHungUp,
} from "./_hostile.ts";

/** What an honest leecher may take to fetch all of it: less than the ten seconds after which one that was refused tries again. */
const SERVED_MS_MAX = 7_000;

/** What may pass until a peer that does not finish its handshake is hung up on: ten seconds, and some for the machine. */
const GREETING_MS_MAX = 14_000;

/** Time between two bytes of a handshake: a part of its 68 in all the time that it may take. */
const DRIP_MS = 1_000;

/** What may pass until a process listens. */
const START_MS_MAX = 10_000;

/** What `seed --json` says to people on standard error: nothing of peers. */
const USUAL_SEED_LINE =
  /^(Seeding[ :]|Info-hash |Stopped; |Ending; |warning: the torrent names no tracker)/;

/** One process that seeds the shared file, and the leechers of a test. */
class SeedStage {
  readonly process: RunningProcess;
  readonly port: number;
  readonly #scope: Scope;

  constructor(process: RunningProcess, port: number, scope: Scope) {
    this.process = process;
    this.port = port;
    this.#scope = scope;
  }

  /** Starts it; with `openFilesMax` in a shell that allows it no more files and sockets. */
  static async start(scope: Scope, openFilesMax?: number): Promise<SeedStage> {
    const folder = await scope.use(TempFolder.make());
    const torrent = folder.join("shared.torrent");
    await Deno.writeFile(torrent, shared.torrentBytes);
    await Deno.writeFile(folder.join(shared.name), shared.data);
    const args = ["seed", torrent, "--archives", folder.path, "--port", "0"];
    const process = await scope.use(
      openFilesMax === undefined ? startEnjambre(args) : startWithFewFiles(args, openFilesMax),
    );
    const { port } = await process.waitForEvent("listening", START_MS_MAX);
    return new SeedStage(process, Number(port), scope);
  }

  /** Has a peer connect, which is closed when the test is over. */
  async dial(): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.dial(this.port, shared);
    await this.#scope.use({
      [Symbol.asyncDispose]: () => Promise.resolve(peer[Symbol.dispose]()),
    });
    return peer;
  }

  /** Has an honest peer download all of it, beside whoever else is connected. */
  async assertServes(): Promise<void> {
    await assertDownloads(this.#scope, shared, [`127.0.0.1:${this.port}`], SERVED_MS_MAX);
  }

  /** Looks at what it printed and how much memory it took, and ends it with Ctrl-C. */
  async assertUnharmed(): Promise<void> {
    assertModest(await peakMemoryBytes(this.process.pid) ?? 0);
    const { code } = await this.process.end("SIGINT");
    assertEquals(code, 130);
    assertEquals(this.process.errorLines.filter((line) => !USUAL_SEED_LINE.test(line)), []);
  }
}

function startWithFewFiles(args: readonly string[], openFilesMax: number): RunningProcess {
  const command = [Deno.execPath(), "run", "-A", "client/main.ts", ...args, "--json"];
  const script = `ulimit -n ${openFilesMax}; exec "$@"`;
  return RunningProcess.start("sh", ["-c", script, "sh", ...command], { cwd: REPOSITORY });
}

/** Has every one of these requests sent by a peer of its own, which has to be hung up on. */
function requestTest(name: string, ...requests: ((writer: MessageWriter) => void)[]): void {
  Deno.test(`seed hangs up on ${name}`, () =>
    scoped(TEST_MS_MAX, async (scope) => {
      const stage = await SeedStage.start(scope);
      for (const request of requests) {
        const peer = await stage.dial();
        await peer.greet();
        await peer.say((writer) => writer.interested());
        await peer.hear("handleUnchoke");
        await peer.say(request);
        await within(HANG_UP_MS_MAX, "being hung up on", peer.untilHungUp());
      }
      await stage.assertServes();
      await stage.assertUnharmed();
    }));
}

requestTest(
  "peers that ask for what is outside the torrent, or for too much",
  (writer) => writer.request(32, 0, BLOCK_BYTES),
  (writer) => writer.request(2 ** 32 - 1, 0, BLOCK_BYTES),
  (writer) => writer.request(31, 65_536 - BLOCK_BYTES, BLOCK_BYTES), // the last piece is shorter
  (writer) => writer.request(0, 65_535, 2),
  (writer) => writer.request(0, 0, 0),
  (writer) => writer.request(0, 0, 128 * 1024 + 1),
  (writer) => writer.request(0, 0, 2 ** 32 - 1),
);

Deno.test("seed bounds its memory and serves others beside peers that ask without end and read nothing", () =>
  scoped(TEST_MS_MAX, async (scope) => {
    const stage = await SeedStage.start(scope);
    const ask = (writer: MessageWriter, i: number) => writer.request(i % 31, 0, 65_536);
    const choked = await stage.dial();
    await choked.greet(); // with BEP 6: each of its requests is rejected
    const floods = [untilHungUp(flood(choked, FLOOD_BYTES, ask))];
    for (let i = 0; i < 6; i++) {
      const peer = await stage.dial();
      await peer.greet({ fast: false }); // what is too much is ignored
      await peer.say((writer) => writer.interested());
      await peer.hear("handleUnchoke");
      floods.push(untilHungUp(flood(peer, FLOOD_BYTES / 8, ask)));
    }
    await within(HANG_UP_MS_MAX, "all floods to be over", Promise.all(floods));
    await stage.assertServes();
    await stage.assertUnharmed();
  }));

Deno.test("seed serves others beside 200 peers that never finish their handshake, and hangs up on those", () =>
  scoped(TEST_MS_MAX, async (scope) => {
    const stage = await SeedStage.start(scope);
    const handshake = encodeHandshake(handshakeOf(shared));
    const peers: ScriptedPeer[] = [];
    for (let i = 0; i < 200; i++) peers.push(await stage.dial());
    const dripping = peers.slice(-8); // and some of the others say nothing at all
    for (const [i, peer] of peers.slice(0, -8).entries()) {
      await untilHungUp(peer.send(handshake.subarray(0, i % HANDSHAKE_BYTES)));
    }
    const drips = dripping.map((peer) => untilHungUp(drip(peer, handshake)));
    await stage.assertServes();
    const hangUps = [...drips, ...peers.map((peer) => peer.untilHungUp())];
    await within(GREETING_MS_MAX, "being hung up on", Promise.all(hangUps));
    await stage.assertUnharmed();
  }));

Deno.test({
  name: "seed goes on when it has no file descriptors left for one more connection",
  ignore: Deno.build.os === "windows", // there is no ulimit
  fn: () =>
    scoped(TEST_MS_MAX, async (scope) => {
      const stage = await SeedStage.start(scope, 64);
      const peers: ScriptedPeer[] = [];
      for (let i = 0; i < 80; i++) peers.push(await stage.dial());
      for (const peer of peers) peer[Symbol.dispose]();
      await stage.assertServes();
      const { code } = await stage.process.end("SIGINT");
      assertEquals(code, 130);
    }),
});

/** Sends a handshake a byte at a time, so slowly that it never comes to its end: that must not make it last longer. */
async function drip(peer: ScriptedPeer, handshake: Uint8Array): Promise<void> {
  for (let sent = 0;; sent++) {
    await peer.send(handshake.subarray(sent, sent + 1));
    await new Promise((resolve) => setTimeout(resolve, DRIP_MS));
  }
}
