/** What the tests of the disk share: folders of their own, and a look at what is in them. */
import { makeTorrent, piecesIn, type TestTorrent } from "./store_conformance_test.ts";
import { openDiskStore } from "./disk_store_deno.ts";
import type { DiskStoreOptions } from "./disk_store_options.ts";
import { PieceCrew } from "./piece_crew_deno.ts";

/** A test with a folder of its own; `folder/downloads` is not there yet. */
export function folderTest(
  name: string,
  run: (downloads: string, folder: string) => Promise<void>,
): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await run(`${folder}/downloads`, folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** Every file and folder below, folders with a slash, sorted; none where the folder is not there. */
export async function list(folder: string, below = ""): Promise<string[]> {
  const names: string[] = [];
  if (!await exists(folder)) return names;
  for await (const entry of Deno.readDir(folder)) {
    const name = below + entry.name;
    names.push(entry.isDirectory ? `${name}/` : name);
    if (entry.isDirectory) names.push(...await list(`${folder}/${entry.name}`, `${name}/`));
  }
  return names.sort();
}

export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}

/** Writes a whole file as the torrent has it, folders included. */
export async function putFile(
  downloads: string,
  torrent: TestTorrent,
  index: number,
): Promise<void> {
  const { path, offset, bytes } = torrent.geometry.files[index]!;
  await Deno.mkdir(`${downloads}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
  await Deno.writeFile(`${downloads}/${path}`, torrent.data.subarray(offset, offset + bytes));
}

/** Checks a torrent anew, with nothing changed on disk. */
export async function goodPieces(
  downloads: string,
  torrent: TestTorrent,
  options: DiskStoreOptions = { readOnly: true },
): Promise<number[]> {
  const store = await openDiskStore(torrent, downloads, options);
  const good = piecesIn(await store.check());
  await store.close();
  return good;
}

/** A torrent of two files and an empty one. Pieces: 0 in a, 1 in a and b, 2 and 3 in b. */
export const twoFiles = (): TestTorrent =>
  makeTorrent(64, [
    { path: "t/a", bytes: 100 },
    { path: "t/empty", bytes: 0 },
    { path: "t/deep/b", bytes: 150 },
  ]);

/** Mounts a tmpfs of one MiB where that is allowed. */
export async function mountSmallDisk(at: string): Promise<boolean> {
  try {
    await Deno.mkdir(at);
    const mount = new Deno.Command("mount", {
      args: ["-t", "tmpfs", "-o", "size=1m", "tmpfs", at],
      stdout: "null",
      stderr: "null",
    });
    return (await mount.output()).success;
  } catch {
    return false;
  }
}

/** Worker threads for pieces that run until {@linkcode RunningCrew.end}. */
export interface RunningCrew {
  /** Pieces that they were given to verify, or to verify and write. */
  readonly puts: () => number;
  end(): void;
}

/** Has worker threads run for the volume of `folder`, so that stores there leave pieces in shared memory to them. */
export async function startCrew(folder: string): Promise<RunningCrew> {
  const ready = Promise.withResolvers<void>();
  const onWorker = (): void => ready.resolve();
  const crew = PieceCrew.join((await Deno.stat(folder)).dev, onWorker);
  await ready.promise;
  let puts = 0;
  const put = crew.put.bind(crew);
  crew.put = (job) => (puts++, put(job));
  return { puts: () => puts, end: () => crew.leave(onWorker) };
}

/** The same bytes in memory that threads share. */
export function sharedCopy(data: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(data.length));
  shared.set(data);
  return shared;
}
