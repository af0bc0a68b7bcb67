import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encode } from "@enjambre/bencode";
import { AnnounceDriver, type AnnounceFacts } from "./announce_driver_deno.ts";
import { FakeTracker, Folder, type Json, noPeers } from "./_processes_test.ts";
import { type TrackerRow, trackersTable } from "./trackers_deno.ts";
import { type KnownTracker, parseState, TrackersFile } from "./trackers_file_deno.ts";

const HASH = "ab".repeat(20);
const A = "http://a.example/announce";
const B = "http://b.example/announce";

function known(url: string, fields: Partial<KnownTracker> = {}): KnownTracker {
  return { url, latencyMs: 20, successRate: 1, lastError: null, atSeconds: 1000, ...fields };
}

function later(seconds: number): number {
  return Math.round(Date.now() / 1000) + seconds;
}

Deno.test("TrackersFile keeps what others wrote of other trackers and torrents", async () => {
  await using folder = new Folder();
  const first = new TrackersFile(folder.at("state/deep"));
  assertEquals(await first.read(), { trackers: [], announces: [] });
  await first.note(HASH, [known(A)], [{ infoHash: HASH, url: A, atSeconds: later(60) }]);
  const second = new TrackersFile(folder.at("state/deep"));
  const failed = known(A, { lastError: "down", successRate: 0.75, atSeconds: 2000 });
  const planned = [{ infoHash: "cd".repeat(20), url: B, atSeconds: later(90) }];
  await second.note("cd".repeat(20), [failed, known(B)], planned);
  const { trackers, announces } = await first.read();
  assertEquals(trackers, [failed, known(B)]);
  assertEquals(announces.map(({ url }) => url), [B, A]);
  // A torrent that ended has nothing planned any more, and what is over is forgotten.
  await first.note(HASH, [], []);
  const left = (await first.read()).announces;
  assertEquals(left, planned.map((each) => ({ ...each, client: Deno.pid })));
  assertEquals(await folder.names("state/deep"), ["trackers.json"]);
  if (Deno.build.os !== "windows") {
    const { mode } = await Deno.stat(folder.at("state/deep/trackers.json"));
    assertEquals((mode ?? 0) & 0o777, 0o600);
  }
});

Deno.test("TrackersFile writes in turn, and lets nothing be lost of two torrents of one process", async () => {
  await using folder = new Folder();
  const file = new TrackersFile(folder.path);
  await Promise.all(
    Array.from({ length: 20 }, (_, i) => file.note(String(i), [known(`http://${i}/`)], [])),
  );
  assertEquals((await file.read()).trackers.length, 20);
});

Deno.test("TrackersFile takes a file that cannot be read for none, and says nothing when it cannot write", async () => {
  await using folder = new Folder();
  const file = new TrackersFile(folder.path);
  for (const text of ["", "{", "[]", "null", '{"version":2}', '{"version":1,"trackers":7}']) {
    await Deno.writeTextFile(folder.at("trackers.json"), text);
    assertEquals(await file.read(), { trackers: [], announces: [] }, text);
  }
  await Deno.writeTextFile(folder.at("file"), "");
  await new TrackersFile(folder.at("file")).note(HASH, [known(A)], []);
});

Deno.test("parseState() drops the entries that make no sense, and keeps the others", () => {
  const state = parseState({
    version: 1,
    trackers: [
      known(A),
      null,
      known(B, { successRate: 2 }),
      { ...known(B), latencyMs: "fast" },
      { ...known(B), url: 7 },
      known(B, { latencyMs: null, lastError: "x" }),
    ],
    announces: [
      { infoHash: HASH, url: A, atSeconds: 5, client: 1 },
      { infoHash: HASH, url: A, atSeconds: 5 },
      9,
    ],
  });
  assertEquals(state.trackers, [known(A), known(B, { latencyMs: null, lastError: "x" })]);
  assertEquals(state.announces.length, 1);
});

Deno.test("trackersTable() lines up what is known, and leaves out what is not", () => {
  const row: TrackerRow = {
    tier: 1,
    url: A,
    isAnswering: true,
    latencyMs: 12.4,
    seeds: 30,
    leechers: 4,
    lastError: null,
    nextAnnounceSeconds: 1500,
  };
  const down: TrackerRow = {
    ...{ ...row, tier: 2, url: "udp://b.example:80", isAnswering: false, latencyMs: null },
    ...{ seeds: null, leechers: null, lastError: "no answer\n\x1b[31m", nextAnnounceSeconds: null },
  };
  assertEquals(trackersTable([row, down]).split("\n"), [
    "Tier  Tracker                    Latency  Seeds  Leechers  Next announce  Last error",
    "1     http://a.example/announce  12 ms    30     4         in 25 m 0 s    -",
    "2     udp://b.example:80         -        -      -         -              no answer  [31m",
  ]);
});

Deno.test("trackers prints a row for each tracker, and fails when none answers", async () => {
  await using folder = new Folder();
  await using tracker = new FakeTracker(noPeers);
  await folder.write("data.bin", 10_000);
  using closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const down = `http://127.0.0.1:${closed.addr.port}/announce`;
  closed.close();
  await folder.run("create", "data.bin", "--tracker", tracker.url, "--tracker", down);
  const file = new TrackersFile(folder.at("state"));
  const shown = await folder.run("show", "data.bin.torrent", "--json");
  const infoHash = String((shown.events[0] as Json)["infoHash"]);
  await file.note(infoHash, [known(tracker.url)], [
    { infoHash, url: tracker.url, atSeconds: later(10_800) },
  ]);
  const ended = await folder.run("trackers", "data.bin.torrent", "--state", "state");
  assertEquals(ended.code, 0, ended.err);
  const [, first, second] = ended.out.split("\n");
  assertStringIncludes(first!, tracker.url);
  assert(/ in (3 h 0|2 h 59) m /.test(first!), first);
  assertStringIncludes(second!, "connection refused");
  assertEquals(tracker.events.includes("started"), false);
  await folder.run("create", "data.bin", "--tracker", down, "--output", "down.torrent");
  const failed = await folder.run("trackers", "down.torrent", "--state", "state", "--json");
  assertEquals([failed.code, failed.events[0]?.["answers"]], [1, false]);
  await folder.run("create", "data.bin", "--output", "none.torrent");
  const none = await folder.run("trackers", "none.torrent", "--json");
  assertEquals([none.code, none.events.at(-1)?.["code"]], [1, "no-trackers"]);
});

/** A tracker's server whose announces are kept, and which answers them as it is told; null is no answer. */
class Listener implements AsyncDisposable {
  readonly asked: URLSearchParams[] = [];
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #silence = Promise.withResolvers<Response>();
  answer: () => Response | null = () => new Response(encode({ interval: 1800, peers: "" }));

  constructor() {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const { searchParams } = new URL(request.url);
      if (request.method === "GET") this.asked.push(searchParams);
      return this.answer() ?? this.#silence.promise;
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}/announce`;
  }

  get events(): string[] {
    return this.asked.map((query) => query.get("event") ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#silence.resolve(new Response());
    await this.#server.shutdown();
  }
}

const facts: AnnounceFacts = {
  infoHash: Uint8Array.fromHex(HASH),
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  key: 9,
  uploaded: 10,
  downloaded: 20,
  left: 30,
};

Deno.test("AnnounceDriver tells all trackers, takes leave of them within 2 s, and keeps what it knows", async () => {
  await using folder = new Folder();
  await using well = new Listener();
  await using silent = new Listener();
  const trackersFile = new TrackersFile(folder.path);
  const answers: number[] = [];
  const twoAnswers = Promise.withResolvers<void>();
  let current = facts;
  const driver = new AnnounceDriver({
    trackers: [[well.url], [silent.url]],
    isToAll: true,
    trackersFile,
    nowMs: () => performance.now(),
    facts: () => current,
    handleAnswer: ({ intervalSeconds }) => {
      answers.push(intervalSeconds);
      if (answers.length === 2) twoAnswers.resolve();
    },
    arm: () => {},
  });
  driver.start(false);
  await twoAnswers.promise;
  // Files went away; what was sent and fetched is not undone by that.
  current = { ...facts, uploaded: 5, downloaded: 0, left: 50 };
  silent.answer = () => null;
  const startMs = performance.now();
  await driver.leave();
  const tookMs = performance.now() - startMs;
  assert(tookMs > 1900 && tookMs < 10_000, `leaving took ${tookMs} ms`);
  assertEquals([well.events, silent.events], [["started", "stopped"], ["started", "stopped"]]);
  const last = well.asked[1]!;
  const counters = ["uploaded", "downloaded", "left"].map((name) => last.get(name));
  assertEquals(counters, ["10", "20", "50"]);
  const { trackers, announces } = await trackersFile.read();
  assertEquals(trackers.map(({ url }) => url).sort(), [well.url, silent.url].sort());
  assertEquals(announces, []);
});

Deno.test("AnnounceDriver goes on to another tracker at once, and says when it asks again", async () => {
  await using well = new Listener();
  using closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const down = `http://127.0.0.1:${closed.addr.port}/announce`;
  closed.close();
  const answered = Promise.withResolvers<void>();
  const driver = new AnnounceDriver({
    trackers: [[down, well.url]],
    nowMs: () => performance.now(),
    facts: () => facts,
    handleAnswer: () => answered.resolve(),
    arm: () => {},
  });
  driver.start(false);
  await answered.promise;
  const [first, second] = driver.status();
  assertEquals([first?.url, first?.knowsUs, second?.url], [well.url, true, down]);
  assertEquals(second?.lastError, "connection refused");
  assert((first?.latencyMs ?? 0) > 0 && Number.isFinite(driver.nextDeadlineMs));
  // The probe of the one that is down, and one announce to the other, which had been probed by HEAD.
  assertEquals(well.events, ["started"]);
  await driver.leave();
  assertEquals(well.events, ["started", "stopped"]);
});
