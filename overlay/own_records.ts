/**
 * What a node says of itself: it signs its records, keeps them alive by beats, and is never outdone in
 * its own name.
 *
 * @module
 */

import { type Beat, BeatMaker, CHAIN_LENGTH, type Hash } from "./beats.ts";
import {
  keyOf,
  LEFT_GONE,
  type ProviderRecord,
  RECORD_TTL_SECONDS,
  signedBytes,
  type SignedRecord,
} from "./record.ts";

/** The key that signs a node's records. */
export interface Signer {
  /** The public key: 43 characters of base64url. */
  readonly owner: string;
  /** Signs bytes: 86 characters of base64url. */
  sign(bytes: Uint8Array): string;
}

/** What a node announces. */
export interface Announcement {
  /** The swarm: 40 hexadecimal digits. */
  readonly infoHash: string;
  /** Where the provider is reached, `host:port`. */
  readonly address: string;
  /** Its peer id: 40 hexadecimal digits. */
  readonly peerId: string;
  /** Bytes that it lacks; 0 for a seed. */
  readonly left: number;
  /**
   * Set where the node speaks for somebody else, as a tracker does: what tells the provider apart from others
   * in the swarm, and how long the record lives. It is then announced anew by whoever is spoken for, and not
   * kept alive by us. With `left` {@linkcode LEFT_GONE} it tells that the provider left, whoever told of it
   * before. A note is printable ASCII of up to {@linkcode NOTE_CHARACTERS_MAX} characters, for others who speak
   * for somebody.
   */
  readonly onBehalf?: {
    readonly slot: string;
    readonly ttlSeconds: number;
    readonly note: string;
  };
}

/** Makes the records of one key. */
export class OwnRecords {
  readonly #signer: Signer;
  readonly #hash: Hash;
  readonly #makeSecret: () => Uint8Array;
  /** What is kept alive. */
  readonly #kept = new Map<string, SignedRecord>();
  #maker: BeatMaker | null = null;
  #counter = 0;
  #sequence = 0;

  /** @param makeSecret 16 random bytes, others each time */
  constructor(signer: Signer, hash: Hash, makeSecret: () => Uint8Array) {
    this.#signer = signer;
    this.#hash = hash;
    this.#makeSecret = makeSecret;
  }

  /** The public key. */
  get owner(): string {
    return this.#signer.owner;
  }

  /** The records that are kept alive. */
  kept(): Iterable<SignedRecord> {
    return this.#kept.values();
  }

  /** The latest beat; `null` where nothing is kept alive. */
  get beat(): Beat | null {
    const value = this.#maker?.valueAt(this.#counter) ?? null;
    return value === null ? null : { counter: this.#counter, value };
  }

  /** Signs an announcement. @param wallMs the time of day, so that what a node says after a restart is newer */
  announce(announcement: Announcement, wallMs: number): SignedRecord {
    const { infoHash, address, peerId, left, onBehalf } = announcement;
    const record = this.#sign({
      infoHash,
      address,
      peerId,
      left,
      slot: onBehalf?.slot ?? "",
      ttlSeconds: onBehalf?.ttlSeconds ?? RECORD_TTL_SECONDS,
      anchor: onBehalf === undefined ? this.#chain().anchor : "",
      note: onBehalf?.note ?? "",
    }, wallMs);
    if (onBehalf === undefined) this.#kept.set(keyOf(record), record);
    return record;
  }

  /** Signs that a provider left: its record in the map is replaced. */
  leave(present: SignedRecord, wallMs: number): SignedRecord {
    this.#kept.delete(keyOf(present));
    const { ttlSeconds } = present;
    return this.#sign({ ...present, left: LEFT_GONE, anchor: "", ttlSeconds }, wallMs);
  }

  /**
   * Says that we are alive.
   *
   * @returns the records, signed anew, where the chain has come to its end; else none: the beat says it all
   */
  advance(): SignedRecord[] {
    if (this.#maker === null || this.#kept.size === 0) return [];
    if (++this.#counter < CHAIN_LENGTH) return [];
    this.#maker = null;
    const { anchor } = this.#chain();
    return [...this.#kept.values()].map((record) => this.#keep({ ...record, anchor }));
  }

  /**
   * Answers a record in our name that we did not make in this run: what an earlier run said is outbid or
   * withdrawn. @returns what is to be said instead, or `null`
   */
  outbid(record: SignedRecord): SignedRecord | null {
    this.#sequence = Math.max(this.#sequence, record.sequence);
    const kept = this.#kept.get(keyOf(record));
    if (kept !== undefined) return this.#keep(kept);
    if (record.anchor === "") return null;
    return this.#sign({ ...record, left: LEFT_GONE, anchor: "" }, 0);
  }

  #keep(draft: ProviderRecord): SignedRecord {
    const record = this.#sign(draft, 0);
    this.#kept.set(keyOf(record), record);
    return record;
  }

  #chain(): BeatMaker {
    if (this.#maker === null) {
      this.#maker = new BeatMaker(this.#makeSecret(), this.#hash);
      this.#counter = 0;
    }
    return this.#maker;
  }

  #sign(draft: Omit<ProviderRecord, "owner" | "sequence">, wallMs: number): SignedRecord {
    this.#sequence = Math.max(this.#sequence + 1, Math.floor(wallMs));
    const { infoHash, slot, address, peerId, left, ttlSeconds, anchor, note } = draft;
    const record: ProviderRecord = {
      infoHash,
      owner: this.#signer.owner,
      slot,
      address,
      peerId,
      left,
      sequence: this.#sequence,
      ttlSeconds,
      anchor,
      note,
    };
    return { ...record, signature: this.#signer.sign(signedBytes(record)) };
  }
}
