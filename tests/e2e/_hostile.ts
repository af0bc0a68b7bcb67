/**
 * What the tests of hostile peers share: the limits, a small torrent, a download that is looked at, floods.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { MessageWriter } from "@enjambre/peerwire";
import { startEnjambre } from "../kit/enjambre.ts";
import { peakMemoryBytes } from "../kit/memory.ts";
import type { RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";
import { bytesOf, HungUpError, type ScriptedPeer } from "../kit/scripted_peer.ts";
import { makeSharedFile, type SharedFile } from "../kit/shared_file.ts";
import { TempFolder } from "../kit/temp_folder.ts";

/** What a test may take; most take a second. */
export const TEST_MS_MAX = 40_000;

/** What a download may take that starts, meets hostile peers and is served by an honest one; a second is usual. */
const DOWNLOAD_MS_MAX = 12_000;

/** What may pass until a peer that breaks the protocol is hung up on; milliseconds are usual. */
export const HANG_UP_MS_MAX = 5_000;

/** What a process may ever have resident: 100 MB are its own, the rest is for the buffers of a few peers. */
const MEMORY_BYTES_MAX = 200 * 1024 * 1024;

/** What a flood sends: so much that a program which keeps it exceeds its memory. */
export const FLOOD_BYTES: number = 256 * 1024 * 1024;

/** 32 pieces of four blocks; the last is shorter. */
export const shared: SharedFile = await makeSharedFile(2 * 1024 * 1024 - 1000);

/** What `download --json` says to people on standard error: of the torrent and the sums, nothing of peers. */
const USUAL_LINE =
  /^(Downloading[ :]|Downloaded | {2}sent | {2}came for nothing: | {2}[\d,]+ blocks? asked of )/;

/** Downloads from these peers: all of it, in time, in bounded memory, with not a word of peers. */
export async function assertDownloads(
  scope: Scope,
  file: SharedFile,
  addresses: readonly string[],
  limitMs: number = DOWNLOAD_MS_MAX,
): Promise<void> {
  const folder = await scope.use(TempFolder.make());
  const torrent = folder.join("shared.torrent");
  await Deno.writeFile(torrent, file.torrentBytes);
  const peers = addresses.flatMap((address) => ["--peer", address]);
  const args = ["download", torrent, "--output", folder.path, "--port", "0", ...peers];
  const download = await scope.use(startEnjambre(args));
  const peak = watchMemory(download);
  await download.waitForSuccess(limitMs);
  const fetched = await Deno.readFile(folder.join(file.name));
  assert(
    fetched.length === file.data.length && fetched.every((byte, i) => byte === file.data[i]),
    "what was fetched differs",
  );
  assertEquals(download.errorLines.filter((line) => !USUAL_LINE.test(line)), []);
  assertModest(await peak);
}

/** The most memory that a process had until its end, as far as that was seen. */
async function watchMemory(process: RunningProcess): Promise<number> {
  let peak = 0;
  for (let isOver = false; !isOver;) {
    peak = Math.max(peak, await peakMemoryBytes(process.pid) ?? 0);
    const probe = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => probe.resolve(false), 20);
    isOver = await Promise.race([probe.promise, process.exited.then(() => true)]);
    clearTimeout(timer);
  }
  return peak;
}

/** Looks at how much memory a process had. */
export function assertModest(bytes: number): void {
  assert(bytes <= MEMORY_BYTES_MAX, `${bytes} bytes were resident, limit is ${MEMORY_BYTES_MAX}`);
}

/** Sends the same messages until so many bytes are sent, or the other side hangs up. */
export async function flood(
  peer: ScriptedPeer,
  bytes: number,
  write: (writer: MessageWriter, i: number) => void,
): Promise<void> {
  const part = bytesOf((writer) => {
    for (let i = 0; writer.pendingBytes < 262_144; i++) write(writer, i);
  });
  for (let sent = 0; sent < bytes; sent += part.length) await peer.send(part);
}

/** Waits for something that ends as well when the other side hangs up. */
export async function untilHungUp(deed: Promise<void>): Promise<void> {
  try {
    await deed;
  } catch (error) {
    if (!(error instanceof HungUpError)) throw error;
  }
}
