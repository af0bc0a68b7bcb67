import type { Geometry } from "@enjambre/metainfo";
import { BEGUN_FILE_BYTES_MAX } from "./begun.ts";
import {
  decodeResume,
  encodeResume,
  resumeBytesMax,
  type ResumeData,
  type ResumeKey,
} from "./resume.ts";
import { realFolder, StateFile, statePath } from "./resume_file_deno.ts";
import type { DiskTorrent } from "./disk_store_options.ts";

/** Where the state of one torrent in one folder is kept. */
export class KeptPlace {
  /** The pieces that were begun when the last run ended. */
  readonly begun: StateFile;
  readonly #key: ResumeKey;
  readonly #geometry: Geometry;
  readonly #resume: StateFile;

  private constructor(stateDirectory: string, geometry: Geometry, key: ResumeKey) {
    const path = statePath(stateDirectory, key.swarmHash, key.folder);
    this.#key = key;
    this.#geometry = geometry;
    this.#resume = new StateFile(`${path}.resume`, resumeBytesMax(geometry));
    this.begun = new StateFile(`${path}.begun`, BEGUN_FILE_BYTES_MAX);
  }

  /** Finds out which it is; makes nothing. **Errors**: `StorageError` where the folder cannot be looked for. */
  static async of(
    { swarmHash, geometry }: DiskTorrent,
    directory: string,
    stateDirectory: string,
  ): Promise<KeptPlace> {
    const folder = await realFolder(directory);
    return new KeptPlace(stateDirectory, geometry, { swarmHash, folder });
  }

  /** The real path of the download folder. */
  get folder(): string {
    return this.#key.folder;
  }

  /** Where the resume data are. */
  get path(): string {
    return this.#resume.path;
  }

  /** Reads the resume data; null where there are none that are worth anything. */
  async load(): Promise<ResumeData | null> {
    const bytes = await this.#resume.load();
    return bytes === null ? null : decodeResume(bytes, this.#key, this.#geometry);
  }

  /** Replaces the resume data. **Errors**: `StorageError`; the old ones are still there then. */
  save(data: ResumeData): Promise<void> {
    return this.#resume.save([encodeResume(this.#key, data)]);
  }

  /** Forgets the resume data. **Errors**: `StorageError`. */
  remove(): Promise<void> {
    return this.#resume.remove();
  }
}
