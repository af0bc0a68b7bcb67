import type { Geometry } from "@enjambre/metainfo";
import { DiskFile } from "./disk_file_deno.ts";
import { storageError } from "./errors.ts";
import type { FileHandles } from "./file_handles_deno.ts";
import type { Damage, FileStamp } from "./file_stamp.ts";
import type { DownloadFolder } from "./folder_deno.ts";
import { PartsMap } from "./parts_map.ts";

/** How much is copied out of it at a time. */
const COPY_BYTES = 1024 * 1024;

/**
 * The file in which a torrent keeps what it has of files that are not wanted: pieces that they share
 * with wanted ones.
 *
 * It is made when there is something to keep, has holes where nothing is kept, and goes when nothing is.
 */
export class PartsFile {
  /** The torrent's mark in names of files that are not its own: 8 hex digits. */
  readonly id: string;
  /** What it holds. */
  readonly map: PartsMap;
  /** The file itself. */
  readonly disk: DiskFile;

  /** Takes its place relative to `folder`; looks at nothing yet. */
  constructor(geometry: Geometry, folder: DownloadFolder, handles: FileHandles, id: string) {
    const name = `.enjambre-${id}.parts`;
    this.id = id;
    this.map = new PartsMap(geometry);
    this.disk = new DiskFile(folder, handles, { final: name, part: name }, {
      fileIndex: -1,
      bytes: 0,
      isExecutable: false,
      parts: null,
    });
  }

  /** Looks at the disk anew: whether it is there. */
  async look(): Promise<boolean> {
    return this.map.isNeeded && await this.disk.look() !== null;
  }

  /** Notes that a file is not on disk itself: if there is a parts file, it may hold what is shared of it. */
  async noteMissing(fileIndex: number): Promise<void> {
    const isThere = this.map.isNeeded && (await this.disk.stamp()).place !== "none";
    if (isThere) this.map.holdAll(fileIndex);
    else this.map.releaseAll(fileIndex);
  }

  /** Whether it has a place for a byte of a file. */
  takes(fileIndex: number, offset: number): boolean {
    return this.map.placeOf(fileIndex, offset) !== -1;
  }

  /** Keeps `data`, which lies in one piece of a file, at `offset`. */
  async write(fileIndex: number, offset: number, data: Uint8Array): Promise<void> {
    await this.disk.write(this.map.placeOf(fileIndex, offset), data);
    this.map.hold(fileIndex, this.map.pieceAt(fileIndex, offset));
  }

  /** Fills `target` from `offset` of a file; resolves with fewer bytes where no more is kept side by side. */
  async readAt(
    fileIndex: number,
    offset: number,
    target: Uint8Array<ArrayBuffer>,
  ): Promise<number> {
    const bytes = this.map.runBytes(fileIndex, offset, target.length);
    if (bytes === 0) return 0;
    const place = this.map.placeOf(fileIndex, offset);
    return await this.disk.readAt(place, target.subarray(0, bytes));
  }

  /** Writes what it holds of a file to that file. */
  async copyTo(fileIndex: number, file: Deno.FsFile): Promise<void> {
    for (const { fileOffset, partsOffset, bytes, isSure } of this.map.spansOf(fileIndex)) {
      const buffer = new Uint8Array(Math.min(bytes, COPY_BYTES));
      file.seekSync(fileOffset, Deno.SeekMode.Start);
      for (let done = 0; done < bytes;) {
        const target = buffer.subarray(0, Math.min(buffer.length, bytes - done));
        const count = await this.disk.readAt(partsOffset + done, target);
        for (let at = 0; at < count;) at += await file.write(target.subarray(at, count));
        if (count < target.length && isSure) {
          throw storageError("truncated", "read", this.disk.path);
        }
        done += target.length;
      }
    }
  }

  /** Removes it where it holds nothing. */
  async removeIfUnused(): Promise<void> {
    if (this.map.heldFiles === 0) await this.disk.remove();
  }

  /** What the system says of it now. */
  stamp(): Promise<FileStamp> {
    return this.disk.stamp();
  }

  /** Looks whether it is still as it was; forgets what it held where it is not. */
  async inspect(fileCount: number): Promise<Damage[]> {
    const damage = await this.disk.inspect();
    if (damage === null) return [];
    const found: Damage[] = [];
    for (let fileIndex = 0; fileIndex < fileCount; fileIndex++) {
      if (!this.map.holdsAny(fileIndex)) continue;
      this.map.releaseAll(fileIndex);
      found.push({ ...damage, fileIndex, fromOffset: 0 });
    }
    return found;
  }
}
