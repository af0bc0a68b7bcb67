/**
 * A download on a volume that is unmounted: while the program is not running, and while it is.
 *
 * `unshare --mount deno run -A tests/faults/vanished_volume.ts FOLDER`, as root; mounts below FOLDER, which nobody
 * outside of that namespace sees. Ends with an error where something is not as it should be.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { buildTorrent, parseTorrent } from "@enjambre/metainfo";
import { type KeptStore, openKeptStore, StorageError } from "@enjambre/storage";
import { contentOfPiece } from "./kept_download.ts";

const PIECE_LENGTH = 16 * 1024;
const PIECE_COUNT = 4;

/** Four files, one piece each. */
async function makeTorrent() {
  const files = Array.from({ length: PIECE_COUNT }, (_, i) => ({
    path: [`${i}.bin`],
    bytes: PIECE_LENGTH,
  }));
  const pieceHashes = new Uint8Array(20 * PIECE_COUNT);
  for (let piece = 0; piece < PIECE_COUNT; piece++) {
    const hash = await crypto.subtle.digest("SHA-1", contentOfPiece(piece, PIECE_LENGTH));
    pieceHashes.set(new Uint8Array(hash), 20 * piece);
  }
  return parseTorrent(
    buildTorrent({ name: "content", files, pieceLength: PIECE_LENGTH, pieceHashes }),
  );
}

const [folder] = Deno.args as [string];
/** Where the volume really is. */
const volume = `${folder}/volume`;
/** Where the user has it mounted. */
const mountPoint = `${folder}/mnt`;
const downloads = `${mountPoint}/downloads`;
const torrent = await makeTorrent();

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

const mount = (): Promise<void> => run("mount", "--bind", volume, mountPoint);
/** Lazily, as when a plug is pulled: the path is gone at once, whatever is open. */
const unmount = (): Promise<void> => run("umount", "--lazy", mountPoint);

const open = (): Promise<KeptStore> =>
  openKeptStore(torrent, downloads, { stateDirectory: `${folder}/state` });

function write(store: KeptStore, piece: number): Promise<string> {
  return store.write(piece, contentOfPiece(piece, PIECE_LENGTH));
}

async function assertVolumeMissing(act: () => Promise<unknown>): Promise<void> {
  const { code, message } = await assertRejects(act, StorageError);
  assertEquals(code, "volume-missing", message);
}

/** Nobody wrote anything to where the volume was. */
function assertUntouched(): void {
  assertEquals([...Deno.readDirSync(mountPoint)].map(({ name }) => name), []);
}

for (const path of [volume, mountPoint]) await Deno.mkdir(path);
await run("mount", "-t", "tmpfs", "-o", "size=4m", "enjambre-test", volume);
await mount();

const first = await open();
await first.check();
assertEquals(await write(first, 0), "stored");
await first.close();

await unmount();
await assertVolumeMissing(open);
assertUntouched();

await mount();
const second = await open();
assertEquals(await second.check(), new Uint8Array([0b1000_0000]));
assertEquals(await write(second, 1), "stored");
assert(await second.save());
await unmount();
// Two files are there no longer, and a third must not be made.
await assertVolumeMissing(() => write(second, 2));
await assertVolumeMissing(() => second.inspect());
await assertVolumeMissing(() => second.check());
assertUntouched();

await mount();
assertEquals(await second.inspect(), []);
assertEquals(await second.check(), new Uint8Array([0b1100_0000]));
assertEquals(await write(second, 2), "stored");
await unmount();
await second.close();
assertUntouched();

await mount();
const third = await open();
assertEquals(await third.check(), new Uint8Array([0b1110_0000]));
await third.close();
console.log("A missing volume was not written to");
