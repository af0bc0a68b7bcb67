import type { SwarmAnnounce } from "./swarm_store.ts";

/** How many announces wait for the store at most; of those beyond, the oldest come again by themselves. */
export const KEPT_ANNOUNCES_MAX = 50_000;

/** An announce that the store was not told. */
export interface KeptAnnounce {
  /** Which swarm, in hex. */
  readonly hash: string;
  /** What was announced; its bytes are its own. */
  readonly announce: SwarmAnnounce;
  /** Whether the peer completed, then or before. */
  readonly isCompleted: boolean;
  /** When. */
  readonly atMs: number;
}

/**
 * The last announce of each peer, over either family, while the store was out of reach, in the order in which
 * they came.
 *
 * The rule of the store holds: who comes from another address with another key is not the peer.
 */
export class KeptAnnounces {
  readonly #kept: Map<string, KeptAnnounce> = new Map();

  /** How many there are. */
  get size(): number {
    return this.#kept.size;
  }

  /**
   * Keeps a copy, in place of the one before of the same peer; that it completed is not lost with that. What
   * was kept of a peer stays as it is where another one uses its id.
   */
  keep(hash: string, announce: SwarmAnnounce, nowMs: number): void {
    const key = keyOf(hash, announce);
    const before = this.#kept.get(key);
    if (before !== undefined && isOther(before.announce, announce)) return;
    const { infoHash, peerId, address, port, hostname, seed, event } = announce;
    this.#kept.delete(key);
    if (this.#kept.size === KEPT_ANNOUNCES_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    const copy: SwarmAnnounce = {
      infoHash: new Uint8Array(infoHash),
      peerId: new Uint8Array(peerId),
      address: new Uint8Array(address),
      port,
      key: announce.key === 0 ? before?.announce.key ?? 0 : announce.key,
      hostname,
      seed,
      event,
      numWant: 0,
      form: "compact",
    };
    const isCompleted = event === "completed" || (before?.isCompleted ?? false);
    this.#kept.set(key, { hash, announce: copy, isCompleted, atMs: nowMs });
  }

  /** Puts back what was taken, unless the peer announced since. */
  putBack(kept: KeptAnnounce): void {
    const key = keyOf(kept.hash, kept.announce);
    if (!this.#kept.has(key) && this.#kept.size < KEPT_ANNOUNCES_MAX) this.#kept.set(key, kept);
  }

  /** Takes out what was kept of a peer; `null` where there is nothing, or of another one with its id. */
  take(hash: string, announce: SwarmAnnounce): KeptAnnounce | null {
    if (this.#kept.size === 0) return null;
    const key = keyOf(hash, announce);
    const kept = this.#kept.get(key);
    if (kept === undefined || isOther(kept.announce, announce)) return null;
    this.#kept.delete(key);
    return kept;
  }

  /** Takes out the oldest that are wanted, so many at most. */
  takeSome(countMax: number, isWanted: (hash: string) => boolean): KeptAnnounce[] {
    const taken: KeptAnnounce[] = [];
    for (const [key, kept] of this.#kept) {
      if (taken.length === countMax) break;
      if (!isWanted(kept.hash)) continue;
      taken.push(kept);
      this.#kept.delete(key);
    }
    return taken;
  }
}

function keyOf(hash: string, { peerId, address }: SwarmAnnounce): string {
  return hash + peerId.toHex() + address.length;
}

/** Whether an announce is of somebody else than the one that was kept under its peer id. */
function isOther(kept: SwarmAnnounce, { key, address }: SwarmAnnounce): boolean {
  return kept.key !== 0 && kept.key !== key &&
    kept.address.some((byte, i) => byte !== address[i]);
}
