/** What the pool keeps open: anything that can be closed. */
export interface PoolHandle {
  /** Gives it back to the system. */
  close(): void;
}

interface Entry<H> {
  handle: Promise<H>;
  /** Set once it is open; null again once it is closed. */
  opened: H | null;
  users: number;
  /** To be closed as soon as nobody uses it. */
  dropped: boolean;
}

/**
 * Keeps at most so many handles open, and closes the one that was used least recently when another is
 * needed. Where all are in use, callers wait for one.
 *
 * **Limits**: `limit` handles. A caller must not ask for a second handle while it uses one.
 */
export class HandlePool<H extends PoolHandle> {
  readonly #limit: number;
  /** In order of use, the least recent first. */
  readonly #entries: Map<number, Entry<H>>;
  readonly #waiting: (() => void)[];
  #nextKey: number;
  /** How many are open or being opened, dropped ones that are still in use included. */
  #open: number;

  /** Makes a pool of `limit` handles, at least one. */
  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1) {
      throw new RangeError(`Cannot limit open files to ${limit}, at least 1 is due`);
    }
    this.#limit = limit;
    this.#entries = new Map();
    this.#waiting = [];
    this.#nextKey = 0;
    this.#open = 0;
  }

  /** Hands out `count` keys that nobody else has: the first of them, the others follow. */
  reserveKeys(count: number): number {
    const first = this.#nextKey;
    this.#nextKey += count;
    return first;
  }

  /** How many handles are open. */
  get openCount(): number {
    return this.#open;
  }

  /** Does `act` with the handle `key`, opened by `open` where it is not open yet. */
  async use<T>(key: number, open: () => Promise<H>, act: (handle: H) => Promise<T>): Promise<T> {
    const entry = await this.#acquire(key, open);
    try {
      return await act(await entry.handle);
    } finally {
      entry.users--;
      if (entry.users === 0) {
        if (entry.dropped) this.#close(entry);
        this.#waiting.shift()?.();
      }
    }
  }

  /** Forgets the handle `key`: the next use opens it anew; the old one closes when its users are done. */
  drop(key: number): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.dropped = true;
    if (entry.users === 0) {
      this.#close(entry);
      this.#waiting.shift()?.();
    }
  }

  /** Drops all. */
  dropAll(): void {
    for (const key of [...this.#entries.keys()]) this.drop(key);
  }

  async #acquire(key: number, open: () => Promise<H>): Promise<Entry<H>> {
    let entry = this.#entries.get(key);
    while (entry === undefined && this.#open >= this.#limit && !this.#evictOne()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      entry = this.#entries.get(key);
    }
    if (entry === undefined) entry = this.#begin(key, open);
    else this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.users++;
    return entry;
  }

  #begin(key: number, open: () => Promise<H>): Entry<H> {
    const handle = open();
    const entry: Entry<H> = { handle, opened: null, users: 0, dropped: false };
    this.#open++;
    handle.then((opened) => {
      entry.opened = opened;
    }, () => {
      // Its users see the failure; the next use tries again.
      this.#open--;
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return entry;
  }

  #evictOne(): boolean {
    for (const [key, entry] of this.#entries) {
      if (entry.users > 0) continue;
      this.#entries.delete(key);
      this.#close(entry);
      return true;
    }
    return false;
  }

  /** Closes a handle that nobody uses; nothing where it never opened. */
  #close(entry: Entry<H>): void {
    if (entry.opened === null) return;
    const handle = entry.opened;
    entry.opened = null;
    this.#open--;
    handle.close();
  }
}
