import type { Geometry } from "@enjambre/metainfo";
import type { DiskFiles } from "./disk_files_deno.ts";
import { type OnWorker, PieceCrew } from "./piece_crew_deno.ts";
import { hashPiece, isShared } from "./piece_hasher_deno.ts";
import { type PieceHashes, treeOfPiece } from "./piece_hashes.ts";

/** Bytes that are verified on the calling thread before worker threads are started: most of what is small never needs one. */
const CREW_AFTER_BYTES = 8 * 1024 * 1024;

/** Bytes to come for which worker threads are started at once: they run when the first pieces are here. */
const CREW_AT_ONCE_BYTES = 128 * 1024 * 1024;

/**
 * Verifies pieces and writes those that are good to the files of one store; on the calling thread, and on worker threads
 * once there is enough to do.
 *
 * **The fast path**: a piece in shared memory that lies in one file, which is there, is verified and written by a worker
 * thread in one go; the event loop only says which and hears what came of it. hot: bench/leech.ts
 */
export class PieceWriter {
  readonly #geometry: Geometry;
  readonly #hashes: PieceHashes;
  readonly #files: DiskFiles;
  readonly #onWorker: OnWorker;
  #crew: PieceCrew | null;
  #isCrewReady: boolean;
  /** Whether it was looked whether there is a crew anyway. */
  #hasLooked: boolean;
  /** While the crew is being joined or left. */
  #changing: Promise<void> | null;
  /** Bytes of pieces that worker threads could have taken. */
  #sharedBytes: number;
  /** How many pieces are being verified or written. */
  #underWay: number;

  /** Starts nothing yet. */
  constructor(geometry: Geometry, hashes: PieceHashes, files: DiskFiles) {
    this.#geometry = geometry;
    this.#hashes = hashes;
    this.#files = files;
    this.#onWorker = () => void (this.#isCrewReady = true);
    this.#crew = null;
    this.#isCrewReady = false;
    this.#hasLooked = false;
    this.#changing = null;
    this.#sharedBytes = 0;
    this.#underWay = 0;
  }

  /** So much is likely to come. */
  async expect(bytes: number): Promise<void> {
    if (bytes >= CREW_AT_ONCE_BYTES) await this.#join(true);
  }

  /**
   * Verifies a whole piece, then writes it, with one write for each file that it touches.
   *
   * **Ownership**: `data` is borrowed until the promise settles.
   *
   * @returns whether it is good, and written
   */
  async put(piece: number, data: Uint8Array): Promise<boolean> {
    this.#underWay++;
    try {
      const crew = isShared(data) ? this.#readyCrew(data.length) : null;
      return await (crew === null
        ? this.#putHere(piece, data, null)
        : this.#putThere(crew, piece, data));
    } finally {
      this.#underWay--;
    }
  }

  /** Leaves the worker threads, when they have closed the files that were to be closed; does nothing while a piece is under way. */
  async rest(): Promise<void> {
    await this.#changing;
    const crew = this.#crew;
    if (crew === null || this.#underWay > 0) return;
    this.#crew = null;
    this.#isCrewReady = false;
    this.#sharedBytes = 0;
    this.#changing = crew.filesClosed().then(() => {
      crew.leave(this.#onWorker);
      this.#changing = null;
    });
    await this.#changing;
  }

  async #putThere(crew: PieceCrew, piece: number, data: Uint8Array): Promise<boolean> {
    const job = {
      format: this.#hashes.format,
      tree: treeOfPiece(this.#geometry, piece),
      data,
      due: this.#hashes.of(piece),
    };
    const isPut = await this.#files.put(
      piece,
      (file, offset) => crew.put({ ...job, place: file.placeFor(crew, offset) }),
    );
    if (isPut !== null) return isPut;
    return await this.#putHere(piece, data, await crew.put({ ...job, place: null }));
  }

  /** The slow path; `isGood` is null where nobody verified it yet. */
  async #putHere(piece: number, data: Uint8Array, isGood: boolean | null): Promise<boolean> {
    if (isGood === null) {
      const hash = await hashPiece(this.#hashes.format, this.#geometry, piece, data);
      isGood = this.#hashes.matches(piece, hash);
    }
    if (isGood) await this.#files.write(piece, data);
    return isGood;
  }

  /** The worker threads; null before there is enough to do, unless they run anyway, and before one is ready. */
  #readyCrew(bytes: number): PieceCrew | null {
    this.#sharedBytes += bytes;
    const pays = this.#sharedBytes > CREW_AFTER_BYTES;
    if (pays || !this.#hasLooked) void this.#join(pays);
    return this.#isCrewReady ? this.#crew : null;
  }

  /** Joins the worker threads of the volume that the files are on. */
  #join(pays: boolean): Promise<void> {
    if (this.#crew !== null) return Promise.resolve();
    return this.#changing ??= (async () => {
      const device = await this.#files.folder.device().catch(() => null) ?? -1;
      this.#hasLooked = true;
      if (pays || PieceCrew.isRunning(device)) {
        this.#crew = PieceCrew.join(device, this.#onWorker);
      }
      this.#changing = null;
    })();
  }
}
