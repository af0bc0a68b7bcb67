/** How many parts the keys of a cluster are divided into, each of which may be out of reach by itself. */
export const LINES_MAX = 64;

const SLOTS = 16_384;

/**
 * The slot of Redis Cluster for a text within braces in a key: a CRC (XMODEM).
 *
 * **Source**: the Redis Cluster specification, key distribution model.
 */
export function slotOf(tag: string): number {
  let crc = 0;
  for (let i = 0; i < tag.length; i++) {
    crc ^= tag.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : crc << 1 ^ 0x1021;
    }
    crc &= 0xffff;
  }
  return crc % SLOTS;
}

/** A line that is out of reach. */
export interface LostLine {
  /** Which. */
  readonly line: number;
  /** The swarm whose announce failed on it, in hex: to try again with. */
  readonly hash: string;
}

/**
 * Which parts of a store elsewhere are in reach. A store on one server is one line, that of a cluster
 * {@link LINES_MAX}, each a range of slots, so that swarms on healthy servers are not answered from a
 * cache because another server is gone.
 */
export class StoreLines {
  readonly #isCluster: boolean;
  readonly #lost: Map<number, LostLine> = new Map();

  /** All are in reach. */
  constructor(isCluster: boolean) {
    this.#isCluster = isCluster;
  }

  /** The line of a swarm. */
  lineOf(hash: string): number {
    return this.#isCluster ? Math.floor(slotOf(hash) * LINES_MAX / SLOTS) : 0;
  }

  /** Whether a line is in reach. */
  isUp(line: number): boolean {
    return this.#lost.size === 0 || !this.#lost.has(line);
  }

  /** Those that are not. */
  get lost(): LostLine[] {
    return [...this.#lost.values()];
  }

  /** Notes that a line is out of reach; whether it was not before. */
  lose(line: number, hash: string): boolean {
    if (this.#lost.has(line)) return false;
    this.#lost.set(line, { line, hash });
    return true;
  }

  /** Notes that a line is in reach again. */
  regain(line: number): void {
    this.#lost.delete(line);
  }
}
