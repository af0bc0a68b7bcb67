/** Memory that is mounted as a folder on Linux: the disk then does not decide how long a test takes. */
const MEMORY_FOLDER = "/dev/shm";

/**
 * A new folder, in memory where the system offers that, which is removed with all that is in it.
 *
 * **Ownership**: the caller disposes of it, with `await using`.
 */
export class TempFolder implements AsyncDisposable {
  /** Where it is; absolute. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes one. */
  static async make(): Promise<TempFolder> {
    const inMemory = await Deno.stat(MEMORY_FOLDER).then((info) => info.isDirectory, () => false);
    const dir = inMemory ? MEMORY_FOLDER : undefined;
    return new TempFolder(
      await Deno.makeTempDir({ prefix: "enjambre-", ...(dir === undefined ? {} : { dir }) }),
    );
  }

  /** The path of something in it, which need not be there. */
  join(...names: string[]): string {
    return [this.path, ...names].join("/");
  }

  /** Makes a folder in it, and gives its path. */
  async folder(name: string): Promise<string> {
    const path = this.join(name);
    await Deno.mkdir(path, { recursive: true });
    return path;
  }

  /** Removes it with all that is in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}
