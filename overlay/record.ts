/**
 * What the overlay passes on: who provides which info-hash.
 *
 * @module
 */

/**
 * One provider's word that it takes part in a swarm.
 *
 * The shape that nodes will exchange; nothing gossips it yet.
 */
export interface ProviderRecord {
  /** The swarm: 20 bytes. */
  readonly infoHash: Uint8Array;
  /** Where others reach the provider: `host:port`, the host a name or an address. */
  readonly address: string;
  /** The provider's peer id: 20 bytes. */
  readonly peerId: Uint8Array;
  /** Bytes that it still lacks; 0 for a seed, {@linkcode LEFT_GONE} for one that left. */
  readonly left: number;
  /** Grows with every record of one provider about one swarm; the last writer wins. */
  readonly sequence: number;
  /** How long after its receipt the record may be believed, in seconds. */
  readonly ttlSeconds: number;
}

/** `left` of a provider that left: a leave is a record too, and lives as long as another. */
export const LEFT_GONE = -1;

/** How long a record may be believed unless it says otherwise, in seconds: ten rounds of gossip and a little. */
export const RECORD_TTL_SECONDS = 90;
