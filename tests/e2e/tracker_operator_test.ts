/** `enjambre tracker` as its operator has it: variables, lists that are read again, metrics, logs, an end. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { announceHttp } from "@enjambre/tracker";
import { eventually } from "../kit/deadline.ts";
import { REPOSITORY } from "../kit/enjambre.ts";
import { type JsonEvent, RunningProcess } from "../kit/running_process.ts";
import { TempFolder } from "../kit/temp_folder.ts";

const LIMIT_MS = 30_000;

const one = new Uint8Array(20).fill(1);
const two = new Uint8Array(20).fill(2);

function start(args: readonly string[], env: Record<string, string> = {}): RunningProcess {
  return RunningProcess.start(
    Deno.execPath(),
    ["run", "-A", "--unstable-net", "client/main.ts", "tracker", ...args, "--json"],
    { cwd: REPOSITORY, env },
  );
}

/** Why an announce is refused; null where it is not. */
async function refusalOf(url: string, infoHash: Uint8Array): Promise<string | null> {
  const result = await announceHttp(url, {
    infoHash,
    peerId: new Uint8Array(20).fill(5),
    port: 6881,
    uploaded: 0,
    downloaded: 0,
    left: 1,
    event: "started",
    numWant: 50,
  });
  return result.ok ? null : result.failureReason;
}

Deno.test("tracker takes variables, reads its lists again on SIGHUP, logs, counts, and ends", async () => {
  await using folder = await TempFolder.make();
  const allow = folder.join("allow.txt");
  const passkeys = folder.join("passkeys.txt");
  await Deno.writeTextFile(allow, `${one.toHex()} # the first\n`);
  await Deno.writeTextFile(passkeys, "sesame\n");
  await using tracker = start(["--hostname", "127.0.0.1", "--access-log", "--workers", "2"], {
    ENJAMBRE_TRACKER_PORT: "0",
    ENJAMBRE_TRACKER_METRICS_PORT: "0",
    ENJAMBRE_TRACKER_ALLOW: allow,
    ENJAMBRE_TRACKER_PASSKEYS: passkeys,
  });
  const { port, udpPort, metricsPort } = await tracker.waitForEvent("listening", LIMIT_MS);
  assertEquals(udpPort, port);
  const url = `http://127.0.0.1:${port}/sesame/announce`;
  assertEquals(await refusalOf(url, one), null);
  assertEquals(await refusalOf(url, two), "this tracker does not serve this torrent");
  assertStringIncludes(
    (await refusalOf(`http://127.0.0.1:${port}/announce`, one))!,
    "wants a passkey",
  );

  await Deno.writeTextFile(allow, `${two.toHex()}\n`);
  tracker.signal("SIGHUP");
  await tracker.waitForEvent("reloaded", LIMIT_MS);
  await eventually(LIMIT_MS, "the new list in every thread", async () => {
    const refused = await Promise.all(Array.from({ length: 8 }, () => refusalOf(url, one)));
    return refused.every((each) => each !== null) ? true : null;
  });
  assertEquals(await refusalOf(url, two), null);

  // A list that cannot be read changes nothing.
  await Deno.writeTextFile(allow, "nonsense\n");
  tracker.signal("SIGHUP");
  const { message } = await tracker.waitForEvent("not-reloaded", LIMIT_MS) as JsonEvent & {
    message: string;
  };
  assertStringIncludes(message, `allow.txt: Cannot read line 1: "nonsense"`);
  assertEquals(await refusalOf(url, two), null);

  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  assertStringIncludes(metrics, "\ntracker_peers 2\n");
  const stats = await (await fetch(`http://127.0.0.1:${port}/stats`)).json();
  assertEquals([stats.swarms, stats.peers], [2, 2]);
  await tracker.waitForLine(
    /access: .*"http-announce","outcome":"answered".*"infoHash":"0101/,
    LIMIT_MS,
  );

  const { code } = await tracker.end("SIGTERM");
  assertEquals(code, 130);
  assert(tracker.lines.some((line) => line.includes('"stopped"')));
});

Deno.test("tracker says in one line what is wrong with its options", async () => {
  await using folder = await TempFolder.make();
  const deny = folder.join("deny.txt");
  await Deno.writeTextFile(deny, "\n\nxyz\n");
  const table: [args: string[], words: string][] = [
    [["--deny", deny], `deny.txt: Cannot read line 3: "xyz" should be an info-hash`],
    [["--allow", folder.join("none.txt")], "none.txt"],
    [["--trusted-proxy", "everybody"], 'Cannot read address range "everybody"'],
    [["--workers", "65"], '--workers is "65"'],
  ];
  for (const [args, words] of table) {
    await using tracker = start(["--port", "0", ...args]);
    const { code } = await tracker.waitForExit(LIMIT_MS);
    assert(code === 1 || code === 2);
    const said = [...tracker.lines, ...tracker.errorLines].join("\n");
    assertStringIncludes(said, words);
    assert(!said.includes("    at "), said);
  }
});
