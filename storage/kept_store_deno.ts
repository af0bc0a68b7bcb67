import type { Geometry } from "@enjambre/metainfo";
import { type BegunPiece, decodeBegun, encodeBegun } from "./begun.ts";
import { type Belief, believe, type Found, isVolumeMissing, updateStamps } from "./belief.ts";
import { Calls } from "./calls.ts";
import { closedError } from "./checks.ts";
import type { Damage } from "./file_stamp.ts";
import type { DiskStore } from "./disk_store_deno.ts";
import type { DiskTorrent } from "./disk_store_options.ts";
import { asStorageError, StorageError, storageError } from "./errors.ts";
import { FolderLock } from "./folder_lock_deno.ts";
import { GoodPieces } from "./good_pieces.ts";
import type { KeptPlace } from "./kept_place_deno.ts";
import type { MoveOptions } from "./relocation_deno.ts";
import { type Completion, newResume, type ResumeData, type ResumeStamp } from "./resume.ts";
import type { WorkOptions } from "./room_deno.ts";
import { SaveSchedule } from "./save_schedule.ts";
import type { CheckOptions, PieceStore } from "./store.ts";

/** What is counted over all runs of the program. */
export interface Totals {
  /** Payload fetched. */
  readonly downloadedBytes: number;
  /** Payload sent. */
  readonly uploadedBytes: number;
  /** What the trackers know of the download's completion. */
  readonly completion: Completion;
}

/** The stamp of a file that is there and agrees with no other: it is verified. */
const WRITTEN: ResumeStamp = { place: "part", bytes: NaN, modifiedMs: NaN };

/** What `openKeptStore` hands to the store. */
export interface Opened {
  readonly torrent: DiskTorrent;
  readonly placeOf: (directory: string) => Promise<KeptPlace>;
  readonly place: KeptPlace;
  readonly lock: FolderLock | null;
  readonly resume: ResumeData | null;
  readonly hasEndedWell: boolean;
  readonly onSaveFailed: (error: StorageError) => void;
}

/**
 * Keeps the pieces of a torrent on disk, and remembers them from one run of the program to the next.
 *
 * A piece that was stored is in its file when `write` resolves, so the end of the process, however sudden,
 * does not lose it. What is remembered is saved soon after progress, then every few seconds while there is
 * more, and at the end; before that, what was written is flushed to the disk, so that after a power cut
 * nothing is believed that is not there.
 */
export class KeptStore implements PieceStore {
  readonly geometry: Geometry;
  /** The files themselves, for questions about them. What changes them goes through this store. */
  readonly disk: DiskStore;
  readonly #opened: Opened;
  readonly #good: GoodPieces;
  readonly #schedule: SaveSchedule;
  readonly #calls: Calls;
  readonly #closing: AbortController;
  #place: KeptPlace;
  #lock: FolderLock | null;
  /** The volume that the files were on when they were checked. */
  #device: number | null;
  /** How the files were when they were checked, or written by us. */
  #stamps: readonly ResumeStamp[];
  /** Files that we have written since. */
  #written: Set<number>;
  #totals: Totals;
  /** What was remembered, until the first check; null from then on, and where there was nothing. */
  #resume: ResumeData | null;
  #hasChecked: boolean;
  /** While the files are between two folders. */
  #isMoving: boolean;
  /** Whether what is saved is right also about what is missing. */
  #isSettled: boolean;
  /** The timer for the next save, and when that is. */
  #alarm: { readonly timer: ReturnType<typeof setTimeout>; readonly atMs: number } | null;
  #saving: Promise<boolean> | null;
  #closed: Promise<void> | null;

  /** Use `openKeptStore`. */
  constructor(disk: DiskStore, opened: Opened) {
    const resume = opened.resume ?? newResume(disk.geometry);
    this.geometry = disk.geometry;
    this.disk = disk;
    this.#opened = opened;
    this.#good = new GoodPieces(disk.geometry.pieceCount);
    this.#schedule = new SaveSchedule();
    this.#calls = new Calls();
    this.#closing = new AbortController();
    this.#place = opened.place;
    this.#lock = opened.lock;
    this.#device = resume.device;
    this.#stamps = resume.stamps;
    this.#written = new Set();
    const { downloadedBytes, uploadedBytes, completion } = resume;
    this.#totals = { downloadedBytes, uploadedBytes, completion };
    this.#resume = opened.resume;
    this.#hasChecked = false;
    this.#isMoving = false;
    this.#isSettled = opened.hasEndedWell;
    this.#alarm = null;
    this.#saving = null;
    this.#closed = null;
  }

  /** What was counted so far. */
  get totals(): Totals {
    return this.#totals;
  }

  /** Sets what was counted; it is saved with the next progress, at the latest in a minute. */
  setTotals(totals: Totals): void {
    this.#totals = totals;
    this.#schedule.handleTotals(performance.now());
    this.#arm();
  }

  /**
   * Finds out which pieces are good. Those that the files and the resume data agree about are believed,
   * the rest is read and verified. Another call believes what did not change since.
   *
   * **Errors**: `StorageError`, among others `"volume-missing"`.
   */
  check(options: CheckOptions = {}): Promise<Uint8Array> {
    return this.#calls.track(this.#check(options));
  }

  /** Verifies a piece, then writes it. Once this has resolved, no end of the process loses it. */
  write(piece: number, data: Uint8Array): Promise<"stored" | "corrupt"> {
    return this.#calls.track(this.#write(piece, data));
  }

  /** Fills `target` with bytes of a good piece. */
  read(piece: number, begin: number, target: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.disk.read(piece, begin, target);
  }

  /** Looks whether the files are as this store knows them, as `DiskStore.inspect`. */
  inspect(): Promise<Damage[]> {
    return this.#calls.track(this.#inspect());
  }

  /** Chooses how much each file is wanted, as `DiskStore.setPriorities`; the choice is remembered. */
  setPriorities(priorities: Uint8Array): Promise<void> {
    const before = this.disk.selection.priorities;
    const wanted = [...priorities.keys()].filter((i) => before[i] === 0 && priorities[i] !== 0);
    return this.#change(wanted, () => this.disk.setPriorities(priorities));
  }

  /** Takes the room that the wanted files will need, as `DiskStore.allocate`. */
  allocate(mode: "sparse" | "full", options: WorkOptions = {}): Promise<void> {
    const signal = this.#signal(options.signal);
    const files = mode === "full" ? this.geometry.files.keys() : [];
    return this.#change(files, () => this.disk.allocate(mode, { ...options, signal }));
  }

  /**
   * Moves the files to another folder, as `DiskStore.move`. What is remembered moves along at the same
   * moment, so that after a crash either the old folder or the new one has everything.
   */
  move(directory: string, options: MoveOptions = {}): Promise<void> {
    return this.#calls.track(this.#move(directory, options));
  }

  /** Gives a file another path below the folder, as `DiskStore.rename`; it is remembered at the same moment. */
  rename(fileIndex: number, path: string, options: MoveOptions = {}): Promise<void> {
    const names = this.disk.names().set(fileIndex, path);
    const moveOptions = this.#remembering(names, options);
    return this.#change([fileIndex], () => this.disk.rename(fileIndex, path, moveOptions));
  }

  /** Gives the torrent's folder, or its only file, another name, as `DiskStore.renameTorrent`; it is remembered at the same moment. */
  renameTorrent(name: string, options: MoveOptions = {}): Promise<void> {
    const before = this.disk.names();
    const names = new Map(this.geometry.files.map(({ path }, file) => {
      const [, ...below] = (before.get(file) ?? path).split("/");
      return [file, [name, ...below].join("/")];
    }));
    const moveOptions = this.#remembering(names, options);
    return this.#change(names.keys(), () => this.disk.renameTorrent(name, moveOptions));
  }

  /**
   * Saves what is to be remembered now, if anything has changed.
   *
   * **Errors**: none; see `onSaveFailed`. Resolves with whether all is saved.
   */
  save(): Promise<boolean> {
    return this.#calls.track(this.#saveChanges());
  }

  /**
   * Keeps pieces of which some blocks have come, for the next run: for the end, before `close`.
   *
   * **Ownership**: the pieces are borrowed until the promise settles.
   * **Limits**: `BEGUN_BYTES_MAX` bytes of blocks; what does not fit is fetched again.
   * **Errors**: `StorageError` where the state folder cannot be written to.
   */
  async saveBegun(pieces: Iterable<BegunPiece>): Promise<void> {
    const stretches = encodeBegun(this.geometry, pieces);
    if (stretches.length === 1) return;
    await this.#calls.track(this.#place.begun.save(stretches));
  }

  /**
   * Takes the begun pieces of the last run, if there are any; they are forgotten then. For the time after the
   * first check: those that are good are left out.
   */
  async takeBegun(): Promise<BegunPiece[]> {
    const { begun } = this.#place;
    const bytes = await begun.load();
    // Where it cannot be removed it is taken again next time, which does no harm.
    await begun.remove().catch(() => {});
    const pieces = bytes === null ? [] : decodeBegun(this.geometry, bytes);
    return pieces.filter(({ piece }) => !this.#good.has(piece));
  }

  /**
   * Waits for what is under way, saves what is to be remembered, closes the files and unlocks the folder.
   *
   * **Errors**: those of `DiskStore.close`; the folder is unlocked all the same.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #check(options: CheckOptions): Promise<Uint8Array> {
    this.#assertOpen("check");
    await this.#assertVolume();
    const found = { device: await this.disk.folderDevice(), stamps: await this.disk.stamps() };
    const belief = this.#believe(found);
    let isNews = this.#resume === null || !this.#isSettled || found.device !== this.#device;
    const bitfield = await this.disk.check({
      signal: this.#signal(options.signal),
      believed: belief.good,
      missing: belief.missing,
      onPiece: (piece, good) => {
        this.#good.set(piece, good);
        isNews ||= good !== hasBit(belief.good, piece);
        options.onPiece?.(piece, good);
      },
    });
    this.#device = found.device;
    this.#stamps = found.stamps;
    this.#resume = null;
    this.#hasChecked = true;
    if (isNews) this.#handleProgress();
    return bitfield;
  }

  /** What need not be read. After the first check this store itself is what is believed. */
  #believe(found: Found): Belief {
    const resume = this.#resume ??
      { device: this.#device, good: this.#good.toBitfield(), stamps: this.#expected() };
    const hasEndedWell = this.#resume !== null && this.#isSettled;
    const belief = believe(this.geometry, resume, found, hasEndedWell);
    if (belief === "volume-missing") {
      throw storageError("volume-missing", "use", this.#place.folder);
    }
    return belief;
  }

  async #write(piece: number, data: Uint8Array): Promise<"stored" | "corrupt"> {
    this.#assertOpen("write");
    if (!this.disk.hasFilesOf(piece)) await this.#assertVolume();
    let outcome: "stored" | "corrupt" | "failed" = "failed";
    try {
      outcome = await this.disk.write(piece, data);
    } catch (error) {
      if (error instanceof StorageError && error.code === "not-found") await this.#assertVolume();
      throw error;
    } finally {
      if (outcome !== "corrupt") this.#handleWritten(piece, outcome === "stored");
    }
    return outcome;
  }

  #handleWritten(piece: number, isStored: boolean): void {
    this.geometry.forEachSpan(piece, 0, this.geometry.pieceBytes(piece), (file) => {
      this.#written.add(file);
    });
    if (isStored) this.#good.set(piece, true);
    this.#handleProgress();
  }

  /** Does what may change some files otherwise than by writing pieces. */
  #change(files: Iterable<number>, act: () => Promise<void>): Promise<void> {
    return this.#calls.track((async () => {
      this.#assertOpen("change");
      await this.#assertVolume();
      try {
        await act();
      } finally {
        for (const file of files) this.#written.add(file);
        this.#handleProgress();
      }
    })());
  }

  /** Saves other paths at the moment when the files have them. */
  #remembering(names: ReadonlyMap<number, string>, options: MoveOptions): MoveOptions {
    return {
      ...options,
      signal: this.#signal(options.signal),
      commit: async () => {
        await this.#place.save({ ...this.#data(), names });
        try {
          await options.commit?.();
        } catch (error) {
          await this.#place.save(this.#data());
          throw error;
        }
      },
    };
  }

  async #move(directory: string, options: MoveOptions): Promise<void> {
    this.#assertOpen("move");
    const { torrent, placeOf } = this.#opened;
    const [from, oldLock] = [this.#place, this.#lock];
    if (oldLock === null) throw storageError("read-only", "move", from.folder);
    if ((await placeOf(directory)).folder === from.folder) return;
    await this.#assertVolume();
    const newLock = await FolderLock.take(directory, torrent.swarmHash);
    const to = await placeOf(directory);
    const commit = async (): Promise<void> => {
      // On what volume that is will be seen when the files are there.
      await to.save({ ...this.#data(), device: null });
      try {
        await options.commit?.();
      } catch (error) {
        await to.remove();
        throw error;
      }
      this.#place = to;
      this.#lock = newLock;
    };
    this.#isMoving = true;
    try {
      await this.disk.move(directory, { ...options, signal: this.#signal(options.signal), commit });
      for (const file of this.geometry.files.keys()) this.#written.add(file);
      this.#device = await this.disk.folderDevice();
    } finally {
      this.#isMoving = false;
      const isMoved = this.#place === to;
      await (isMoved ? oldLock : newLock).release(true);
      if (isMoved) await from.remove().catch(() => {});
      this.#handleProgress();
    }
  }

  async #inspect(): Promise<Damage[]> {
    this.#assertOpen("look at");
    await this.#assertVolume();
    const damages = await this.disk.inspect();
    for (const { fileIndex, fromOffset } of damages) this.#loseFrom(fileIndex, fromOffset);
    if (damages.length > 0) this.#handleProgress();
    return damages;
  }

  /** The pieces of a file that have bytes at `offset` or after are no longer good. */
  #loseFrom(fileIndex: number, offset: number): void {
    const { first, end } = this.geometry.piecesOfFile(fileIndex);
    const start = this.geometry.files[fileIndex]!.offset + offset;
    const from = Math.max(first, Math.floor(start / this.geometry.pieceLength));
    for (let piece = from; piece < end; piece++) this.#good.set(piece, false);
  }

  #handleProgress(): void {
    this.#isSettled = false;
    this.#schedule.handleProgress(performance.now());
    this.#arm();
  }

  /** The caller's signal, and the end of this store. */
  #signal(given: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal;
    return given ? AbortSignal.any([given, closing]) : closing;
  }

  /** What is to be remembered. Before the first check that is what was remembered. */
  #data(
    good: Uint8Array = this.#good.toBitfield(),
    stamps: readonly ResumeStamp[] = this.#stamps,
  ): ResumeData {
    const { disk } = this;
    return {
      device: this.#device,
      good: this.#resume?.good ?? good,
      stamps,
      priorities: disk.selection.priorities,
      names: disk.names(),
      ...this.totals,
    };
  }

  /** Sets the timer for the next save; most progress changes nothing about when that is. */
  #arm(): void {
    const atMs = this.#closed === null ? this.#schedule.nextDeadlineMs : Infinity;
    if (atMs === (this.#alarm?.atMs ?? Infinity)) return;
    this.#disarm();
    if (atMs === Infinity) return;
    const timer = setTimeout(() => {
      this.#alarm = null;
      this.save();
    }, Math.max(0, atMs - performance.now()));
    this.#alarm = { timer, atMs };
  }

  #disarm(): void {
    if (this.#alarm !== null) clearTimeout(this.#alarm.timer);
    this.#alarm = null;
  }

  async #saveChanges(): Promise<boolean> {
    while (this.#saving !== null) await this.#saving;
    // Before a check nothing is known that would be worth remembering.
    if (!this.#schedule.hasChanges || !this.#hasChecked) return true;
    this.#saving = this.#saveOnce();
    const isSaved = await this.#saving;
    this.#saving = null;
    this.#arm();
    return isSaved;
  }

  async #saveOnce(): Promise<boolean> {
    this.#schedule.begin(performance.now());
    let written = new Set<number>();
    try {
      await this.#assertVolume();
      written = this.#written;
      this.#written = new Set();
      // First the stamps, then which pieces are good, then the flush. A piece that is stored in between
      // changes its file after the stamp was taken, so that file is verified after a crash.
      const found = await this.disk.stamps();
      const stamps = updateStamps(this.#stamps, found, written);
      const good = this.#good.toBitfield();
      await this.disk.sync();
      await this.#place.save(this.#data(good, stamps));
      this.#stamps = stamps;
      this.#isSettled = !this.#schedule.hasChanges;
      this.#schedule.end(performance.now(), true);
      return true;
    } catch (error) {
      for (const file of written) this.#written.add(file);
      this.#isSettled = false;
      this.#schedule.end(performance.now(), false);
      this.#opened.onSaveFailed(asStorageError(error, "write", this.#place.path));
      return false;
    }
  }

  /**
   * Throws where the volume went away since the files were checked. What files look like on another one says
   * nothing about them, and nothing is to be made there.
   */
  async #assertVolume(): Promise<void> {
    if (!this.#hasChecked || this.#isMoving) return;
    const device = await this.disk.folderDevice();
    if (device === this.#device) return;
    const stamps = this.#expected();
    const found = { device, stamps: await this.disk.stamps() };
    // Where no file would show that it is the same one, it is taken for another.
    const isUnknown = stamps.every(({ place }) => place === "none");
    if (isUnknown || isVolumeMissing({ device: this.#device, stamps }, found)) {
      throw storageError("volume-missing", "use", this.#place.folder);
    }
    this.#device = device;
    this.#handleProgress();
  }

  /** How the files should look: as far as it is known, for we may have written to them since. */
  #expected(): readonly ResumeStamp[] {
    return this.#stamps.map((stamp, file) => this.#written.has(file) ? WRITTEN : stamp);
  }

  async #close(): Promise<void> {
    this.#disarm();
    this.#closing.abort(closedError("check"));
    await this.#calls.idle();
    await this.#saveChanges();
    try {
      await this.disk.close();
    } finally {
      await this.#lock?.release(this.#isSettled);
    }
  }

  #assertOpen(verb: string): void {
    if (this.#closed !== null) throw closedError(verb);
  }
}

function hasBit(bitfield: Uint8Array, piece: number): boolean {
  return (bitfield[piece >>> 3]! & (0x80 >>> (piece & 7))) !== 0;
}
