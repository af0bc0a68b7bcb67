import type { Geometry } from "@enjambre/metainfo";
import { Calls } from "./calls.ts";
import { assertReadable, assertWholePiece, closedError } from "./checks.ts";
import { GoodPieces } from "./good_pieces.ts";
import type { Damage } from "./file_stamp.ts";
import { PieceHashes } from "./piece_hashes.ts";
import type { CheckOptions, PieceStore, StoredTorrent } from "./store.ts";

/**
 * Keeps the pieces of a torrent in memory: for tests, for streaming without a disk, for small torrents.
 *
 * **Limits**: all good pieces are held, so a torrent should fit in memory; a piece's memory is taken when
 * it is written.
 *
 * @example
 * ```ts
 * import { MemoryStore } from "@enjambre/storage";
 * import { Geometry } from "@enjambre/metainfo";
 *
 * const data = new TextEncoder().encode("hello swarm");
 * const file = { path: "hi.txt", bytes: data.length, offset: 0 };
 * const plain = { padding: false, executable: false, symlink: null };
 * const geometry = new Geometry(16384, [{ ...file, ...plain }]);
 * const pieceHashes = new Uint8Array(await crypto.subtle.digest("SHA-1", data));
 *
 * const store = new MemoryStore({ geometry, pieceHashes });
 * console.log(await store.write(0, data)); // stored
 * const target = new Uint8Array(5);
 * await store.read(0, 6, target);
 * console.log(new TextDecoder().decode(target)); // swarm
 * await store.close();
 * ```
 */
export class MemoryStore implements PieceStore {
  readonly geometry: Geometry;
  readonly #hashes: PieceHashes;
  readonly #good: GoodPieces;
  readonly #pieces: (Uint8Array<ArrayBuffer> | undefined)[];
  readonly #calls: Calls;
  #closed: boolean;

  /** Begins empty. **Errors**: as `PieceHashes` says of a torrent without fitting v1 hashes. */
  constructor(torrent: StoredTorrent) {
    this.geometry = torrent.geometry;
    this.#hashes = new PieceHashes(torrent);
    this.#good = new GoodPieces(torrent.geometry.pieceCount);
    this.#pieces = [];
    this.#calls = new Calls();
    this.#closed = false;
  }

  /** Verifies what is held. */
  check(options: CheckOptions = {}): Promise<Uint8Array> {
    return this.#calls.track(this.#check(options));
  }

  /** Verifies a piece and keeps a copy. */
  write(piece: number, data: Uint8Array): Promise<"stored" | "corrupt"> {
    return this.#calls.track(this.#write(piece, data));
  }

  /** Copies bytes of a good piece into `target`. */
  // deno-lint-ignore require-await -- errors have to arrive as a rejection, as from every store
  async read(piece: number, begin: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#closed) throw closedError("read");
    assertReadable(this.geometry, this.#good, piece, begin, target.length);
    target.set(this.#pieces[piece]!.subarray(begin, begin + target.length));
  }

  /** Nothing happens to memory: no damage. */
  inspect(): Promise<Damage[]> {
    return Promise.resolve([]);
  }

  /** Memory is taken by the piece: what is wanted makes no difference to it. */
  setPriorities(): Promise<void> {
    return Promise.resolve();
  }

  /** Waits for what is under way and gives the memory back. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#calls.idle();
    this.#pieces.length = 0;
  }

  async #check(options: CheckOptions): Promise<Uint8Array> {
    if (this.#closed) throw closedError("check");
    for (let piece = 0; piece < this.geometry.pieceCount; piece++) {
      options.signal?.throwIfAborted();
      const data = this.#pieces[piece];
      const good = data !== undefined && await this.#hashes.verify(piece, data);
      if (this.#closed) throw closedError("check");
      // A piece that was written while its old memory was being hashed is judged by that write.
      if (this.#pieces[piece] === data) this.#good.set(piece, good);
      options.onPiece?.(piece, this.#good.has(piece));
    }
    return this.#good.toBitfield();
  }

  async #write(piece: number, data: Uint8Array): Promise<"stored" | "corrupt"> {
    if (this.#closed) throw closedError("write");
    assertWholePiece(this.geometry, piece, data);
    if (!await this.#hashes.verify(piece, data)) return "corrupt";
    this.#pieces[piece] = data.slice();
    this.#good.set(piece, true);
    return "stored";
  }
}
