import type { SwarmAnnounce } from "./swarm_store.ts";

/** How many announces wait for the store at most; of those beyond, the oldest come again by themselves. */
export const KEPT_ANNOUNCES_MAX = 50_000;

/** An announce that the store was not told. */
export interface KeptAnnounce {
  /** Which swarm, in hex. */
  readonly hash: string;
  /** What was announced; its bytes are its own. */
  readonly announce: SwarmAnnounce;
  /** When. */
  readonly atMs: number;
}

/** The last announce of each peer while the store was out of reach, in the order in which they came. */
export class KeptAnnounces {
  readonly #kept: Map<string, KeptAnnounce> = new Map();

  /** How many there are. */
  get size(): number {
    return this.#kept.size;
  }

  /** Keeps a copy, in place of the one before of the same peer; that it completed is not lost with that. */
  keep(hash: string, announce: SwarmAnnounce, nowMs: number): void {
    const key = keyOf(hash, announce);
    const before = this.#kept.get(key)?.announce.event;
    const { infoHash, peerId, address, port, hostname, seed } = announce;
    const event = before === "completed" && announce.event !== "stopped"
      ? "completed"
      : announce.event;
    this.#kept.delete(key);
    if (this.#kept.size === KEPT_ANNOUNCES_MAX) this.#kept.delete(this.#kept.keys().next().value!);
    const copy: SwarmAnnounce = {
      infoHash: new Uint8Array(infoHash),
      peerId: new Uint8Array(peerId),
      address: new Uint8Array(address),
      port,
      key: announce.key,
      hostname,
      seed,
      event,
      numWant: 0,
      form: "compact",
    };
    this.#kept.set(key, { hash, announce: copy, atMs: nowMs });
  }

  /** Puts back what was taken, unless the peer announced since. */
  putBack(kept: KeptAnnounce): void {
    const key = keyOf(kept.hash, kept.announce);
    if (!this.#kept.has(key) && this.#kept.size < KEPT_ANNOUNCES_MAX) this.#kept.set(key, kept);
  }

  /** Takes out what was kept of a peer. */
  take(hash: string, announce: SwarmAnnounce): KeptAnnounce | null {
    if (this.#kept.size === 0) return null;
    const key = keyOf(hash, announce);
    const kept = this.#kept.get(key) ?? null;
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

function keyOf(hash: string, { peerId }: SwarmAnnounce): string {
  return hash + peerId.toHex();
}
