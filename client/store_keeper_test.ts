import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES, Geometry } from "@enjambre/metainfo";
import { type Damage, MemoryStore, StorageError } from "@enjambre/storage";
import { StoreKeeper } from "./store_keeper_deno.ts";

const PIECES = 3;
const RETRY_MS = 5000;

function trouble(code: StorageError["code"]): StorageError {
  return new StorageError(code, "/d/f", `Cannot write /d/f: ${code}`);
}

/** A store in memory that fails when it is told to. */
class FickleStore extends MemoryStore {
  failure: StorageError | null = null;
  away: StorageError | null = null;
  damages: Damage[] = [];
  tries = 0;

  override async write(
    piece: number,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<"stored" | "corrupt"> {
    this.tries++;
    if (this.failure !== null) throw this.failure;
    return await super.write(piece, data);
  }

  override inspect(): Promise<Damage[]> {
    return this.away === null ? Promise.resolve(this.damages.splice(0)) : Promise.reject(this.away);
  }
}

/** A keeper over such a store, on a clock of its own, and what it told. */
async function keeperOf(): Promise<Kept> {
  const data = new Uint8Array(BLOCK_BYTES).fill(1);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-1", data));
  const pieceHashes = new Uint8Array(20 * PIECES);
  for (let piece = 0; piece < PIECES; piece++) pieceHashes.set(hash, 20 * piece);
  const bytes = PIECES * BLOCK_BYTES;
  const file = { path: "f", bytes, offset: 0, padding: false, executable: false, symlink: null };
  const store = new FickleStore({ geometry: new Geometry(BLOCK_BYTES, [file]), pieceHashes });
  const told: string[] = [];
  const kept = { store, data, told, nowMs: 0 };
  const keeper = new StoreKeeper(store, {
    nowMs: () => kept.nowMs,
    arm: () => {},
    handleAway: () => void told.push("away"),
    handleDamage: (damages) => void told.push(`damage ${damages.map(({ kind }) => kind)}`),
  });
  return Object.assign(kept, { keeper });
}

interface Kept {
  readonly store: FickleStore;
  readonly keeper: StoreKeeper;
  /** What each piece holds. */
  readonly data: Uint8Array<ArrayBuffer>;
  readonly told: string[];
  nowMs: number;
}

/** Lets what is ready to go on do so. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** Lets so much time go by. */
async function pass(kept: Kept, ms: number): Promise<void> {
  kept.nowMs += ms;
  kept.keeper.handleDeadline(kept.nowMs);
  await settle();
}

Deno.test("StoreKeeper tries a write again every five seconds, one for all that wait, until it works", async () => {
  const kept = await keeperOf();
  const { store, keeper, data } = kept;
  store.failure = trouble("disk-full");
  const first = keeper.write(0, data);
  await settle();
  const others = [keeper.write(1, data), keeper.write(2, data)];
  await settle();
  assertEquals(keeper.pause?.code, "disk-full");
  assertEquals(keeper.pause?.message, "Cannot write /d/f: disk-full");
  assertEquals(store.tries, 1);
  assert(keeper.nextDeadlineMs <= RETRY_MS);
  await pass(kept, RETRY_MS);
  assertEquals(store.tries, 2);
  await pass(kept, RETRY_MS - 1);
  assertEquals(store.tries, 2);
  assertEquals(keeper.pause?.sinceMs, 0);
  store.failure = null;
  await pass(kept, 1);
  assertEquals(await Promise.all([first, ...others]), ["stored", "stored", "stored"]);
  assertEquals(keeper.pause, null);
  assertEquals(await store.check(), Uint8Array.of(0b1110_0000));
});

Deno.test("StoreKeeper.park() gives up what waits, so that a check need not wait for it; unpark() hands it out", async () => {
  const kept = await keeperOf();
  const { store, keeper, data } = kept;
  store.failure = trouble("not-found");
  const writing = [keeper.write(0, data), keeper.write(1, data)];
  await settle();
  await keeper.park();
  assertEquals(await Promise.all(writing), ["failed", "failed"]);
  assertEquals(keeper.pause, null);
  // What fails now does not wait either.
  assertEquals(await keeper.write(2, data), "failed");
  const begun = keeper.unpark();
  assertEquals(begun.map(({ piece }) => piece).sort(), [0, 1, 2]);
  assertEquals(begun[0]!.received, Uint8Array.of(0x80));
  assertEquals(begun[0]!.data, data);
  assertEquals(keeper.unpark(), []);
  store.failure = null;
  assertEquals(await keeper.write(0, data), "stored");
});

Deno.test("StoreKeeper.end() gives up what waits and keeps it for the next run", async () => {
  const { store, keeper, data } = await keeperOf();
  store.failure = trouble("disk-full");
  const writing = keeper.write(1, data);
  await settle();
  await keeper.end();
  assertEquals(await writing, "failed");
  assertEquals(keeper.unwritten().map(({ piece }) => piece), [1]);
  assertEquals(keeper.nextDeadlineMs, Infinity);
});

Deno.test("StoreKeeper looks at the files every five seconds, and tells of what happened to them", async () => {
  const kept = await keeperOf();
  const { store, keeper, told } = kept;
  assertEquals(keeper.nextDeadlineMs, RETRY_MS);
  await pass(kept, RETRY_MS);
  assertEquals(told, []);
  store.damages = [{ fileIndex: 0, path: "/d/f", kind: "shrank", fromOffset: 7 }];
  await pass(kept, RETRY_MS);
  assertEquals(told, ["damage shrank"]);
});

Deno.test("StoreKeeper tells that the files are away, and has them checked when they are back", async () => {
  const kept = await keeperOf();
  const { store, keeper, told } = kept;
  store.away = trouble("volume-missing");
  await pass(kept, RETRY_MS);
  assertEquals(told, ["away"]);
  assertEquals(keeper.pause?.code, "volume-missing");
  store.away = null;
  await pass(kept, RETRY_MS);
  assertEquals(told, ["away", "damage "]);
  assertEquals(keeper.pause, null);
});

Deno.test("StoreKeeper looks at once when a read or a write fails", async () => {
  const kept = await keeperOf();
  const { store, keeper, told, data } = kept;
  store.damages = [{ fileIndex: 0, path: "/d/f", kind: "vanished", fromOffset: 0 }];
  assertEquals(await keeper.read(0, 0, new Uint8Array(1)), false);
  assertEquals(keeper.nextDeadlineMs, 0);
  await pass(kept, 0);
  assertEquals(told, ["damage vanished"]);
  store.failure = trouble("not-found");
  store.damages = [{ fileIndex: 0, path: "/d/f", kind: "shrank", fromOffset: 0 }];
  const writing = keeper.write(0, data);
  await settle();
  await pass(kept, 0);
  assertEquals(told, ["damage vanished", "damage shrank"]);
  await keeper.end();
  assertEquals(await writing, "failed");
});
