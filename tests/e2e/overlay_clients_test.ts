/**
 * The command line over the overlay alone, as the older system's guide starts it: three clients, no tracker, each
 * told of the other two, by name. And nodes alone, asked how they are.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { assertSameTree } from "../kit/compare.ts";
import { FOLDER, writeContent } from "../kit/content.ts";
import { runEnjambre, startEnjambre } from "../kit/enjambre.ts";
import { freePort, onFreePort } from "../kit/free_port.ts";
import type { RunningProcess } from "../kit/running_process.ts";
import { type Scope, scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";

const TEST_MS_MAX = 90_000;
const LIMIT_MS = 40_000;

/** A torrent that names no tracker, with its content in one of its folders. */
async function makeTorrent(scope: Scope) {
  const folder = await scope.use(TempFolder.make());
  const source = await folder.folder("one");
  const content = await writeContent(source, FOLDER);
  const torrent = folder.join("content.torrent");
  await runEnjambre(["create", content, "--output", torrent]);
  return { folder, torrent, content };
}

/** Starts a program and waits until it listens. */
async function listening(scope: Scope, args: readonly string[]) {
  const process = await scope.use(startEnjambre(args));
  const event = await process.waitForEvent("listening", LIMIT_MS);
  return { process, event };
}

function isComplete(process: RunningProcess): Promise<unknown> {
  return process.waitForEvent("complete", LIMIT_MS);
}

Deno.test("three clients and no tracker, each told of the other two by name: complete, byte for byte", () =>
  scoped(TEST_MS_MAX, async (scope) => {
    const { folder, torrent, content } = await makeTorrent(scope);
    await onFreePort(async () => {
      const ports = [freePort(), freePort(), freePort()] as const;
      await using started = await startThree(folder, torrent, ports);
      const { one, two, three } = started;
      await Promise.all([isComplete(two), isComplete(three)]);
      for (const name of ["two", "three"]) {
        await assertSameTree(content, folder.join(name, FOLDER.name));
      }
      for (const process of [one, two, three]) {
        assertEquals(process.lines.filter((line) => line.includes("announced")), []);
        assertEquals((await process.end("SIGINT")).code, 130);
      }
    });
  }));

/** The three of the guide, on ports that may be taken by the time they listen: that is an error then. */
async function startThree(
  folder: TempFolder,
  torrent: string,
  ports: readonly [number, number, number],
) {
  const start = (name: string, own: number) => {
    const others = ports.filter((port) => port !== own).map((port) => `localhost:${port}`);
    return startEnjambre([
      ...[`--torrent=${torrent}`, `--archives=${folder.join(name)}`, "--hostname=localhost"],
      ...["--discovery-mode=overlay", `--bootstrap=${others.join(",")}`, `--overlay-port=${own}`],
    ]);
  };
  const [one, two, three] = [
    start("one", ports[0]),
    start("two", ports[1]),
    start("three", ports[2]),
  ];
  const started = {
    ...{ one, two, three },
    async [Symbol.asyncDispose]() {
      await Promise.all([one.end(), two.end(), three.end()]);
    },
  };
  try {
    for (const [index, process] of [one, two, three].entries()) {
      const { overlay } = await process.waitForEvent("listening", LIMIT_MS);
      assertEquals(overlay, `localhost:${ports[index]}`);
    }
    return started;
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
}

Deno.test("seed and download find each other by a node alone, with a secret; the node tells how it is", () =>
  scoped(TEST_MS_MAX, async (scope) => {
    const { folder, torrent, content } = await makeTorrent(scope);
    const secret = folder.join("secret");
    await Deno.writeTextFile(secret, "open sesame\n");
    const state = ["--state", folder.join("state")];
    const keyed = ["--overlay-secret-file", secret, "--hostname", "localhost", ...state];
    const node = await listening(scope, ["overlay", "--port", "0", ...keyed]);
    const bootstrap = `localhost:${node.event.port}`;
    assertEquals(node.event.address, bootstrap);
    const client = [...keyed, "--bootstrap", bootstrap, "--overlay-port", "0", "--port", "0"];
    const seed = await listening(scope, [
      "seed",
      torrent,
      "--archives",
      folder.join("one"),
      ...client,
    ]);
    await seed.process.waitForEvent("overlay-joined", LIMIT_MS);
    const copy = await folder.folder("copy");
    const download = await listening(scope, ["download", torrent, "--output", copy, ...client]);
    await isComplete(download.process);
    await download.process.waitForSuccess(LIMIT_MS);
    await assertSameTree(content, `${copy}/${FOLDER.name}`);

    const reports = await runEnjambre(["overlay", "status", ...state]);
    const addresses = reports.map(({ address }) => address);
    assertEquals(addresses.sort(), [bootstrap, seed.event.overlay].sort());
    const [report] = await runEnjambre(["overlay", "status", bootstrap, ...state]);
    const names = (report!.memberList as { address: string }[]).map(({ address }) => address);
    assertEquals(names.includes(String(seed.event.overlay)), true, names.join());

    // Who has no secret is nobody to them, and is told so.
    const stranger = [
      "download",
      torrent,
      "--output",
      folder.join("none"),
      "--bootstrap",
      bootstrap,
    ];
    const outside = await listening(scope, [
      ...[...stranger, "--discovery-mode", "overlay", "--hostname", "localhost", ...state],
      ...["--overlay-port", "0", "--port", "0"],
    ]);
    const { message } = await outside.process.waitForEvent("overlay-failed", LIMIT_MS);
    assertEquals(message, `${bootstrap} closed the connection during the greeting`);
    assertEquals((await outside.process.end("SIGINT")).code, 130);
    assertEquals((await node.process.end("SIGINT")).code, 130);
    assertEquals((await seed.process.end("SIGINT")).code, 130);
    await using asked = startEnjambre(["overlay", "status", ...state]);
    const error = await asked.waitForEvent("error", LIMIT_MS);
    assertEquals(error.code, "not-running");
  }));

Deno.test("a node's key is made once, for its user alone, and one that others can read is refused", () =>
  scoped(TEST_MS_MAX, async (scope) => {
    const folder = await scope.use(TempFolder.make());
    const state = folder.join("state");
    await onFreePort(async (port) => {
      const args = ["overlay", "--port", String(port), "--hostname", "localhost", "--state", state];
      const path = `${state}/overlay/localhost_${port}/overlay_key.pem`;
      const owners: unknown[] = [];
      for (let run = 0; run < 2; run++) {
        await using node = startEnjambre(args);
        await node.waitForEvent("listening", LIMIT_MS);
        const [report] = await runEnjambre(["overlay", "status", "--state", state]);
        owners.push(report!.owner);
        if (Deno.build.os !== "windows") {
          assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
        }
        if (run > 0) {
          await using second = startEnjambre(args);
          const { code, message } = await second.waitForEvent("error", LIMIT_MS);
          assertEquals(code, "port-in-use");
          assertStringIncludes(
            String(message),
            `port ${port}: it is in use; choose another with --port`,
          );
        }
      }
      assertEquals(owners[0], owners[1]);
      if (Deno.build.os === "windows") return;
      await Deno.chmod(path, 0o644);
      await using node = startEnjambre(args);
      const { code, message } = await node.waitForEvent("error", LIMIT_MS);
      assertEquals(code, "overlay-key");
      assertStringIncludes(String(message), "its mode is 644, it should be 600; correct it, or");
    });
  }));

Deno.test("a node understands old nodes where it is told to", () =>
  scoped(TEST_MS_MAX, async (scope) => {
    const folder = await scope.use(TempFolder.make());
    const { event } = await listening(scope, [
      ...["overlay", "--port", "0", "--hostname", "localhost", "--overlay-compat"],
      ...["--state", folder.join("state")],
    ]);
    const info_hash = "%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A";
    const old = { addr: "client9:6881", peer_id: "-XX0001-abcdefghijkl", left: 0, last_seen: 1 };
    const say = async (message: object): Promise<string> => {
      using tcp = await Deno.connect({ hostname: "127.0.0.1", port: Number(event.port) });
      await tcp.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
      return await new Response(tcp.readable).text();
    };
    assertEquals(await say({ type: "announce", info_hash, providers: [old] }), "");
    const answer = JSON.parse(await say({ type: "lookup", info_hash, limit: 5 }));
    assertEquals(answer.map(({ addr }: { addr: string }) => addr), ["client9:6881"]);
  }));
