import { HASH_BYTES, type TrackerEvent } from "./announce.ts";
import { NUM_WANT_DEFAULT, type PeerForm, type SwarmAnnounce, SwarmAnswer } from "./swarm_store.ts";

/** How many are kept for the next announces: as many as a store elsewhere has under way at once. */
export const EXCHANGES_KEPT_MAX = 256;

/**
 * An announce on its way through a tracker's server: what was asked, and the answer. Used again for the
 * next one, so that answering makes no garbage.
 */
export class Exchange implements SwarmAnnounce {
  /** See {@link SwarmAnnounce}. */
  readonly infoHash: Uint8Array<ArrayBuffer> = new Uint8Array(HASH_BYTES);
  /** See {@link SwarmAnnounce}. */
  readonly peerId: Uint8Array<ArrayBuffer> = new Uint8Array(HASH_BYTES);
  /** See {@link SwarmAnnounce}. */
  address: Uint8Array = new Uint8Array(4);
  /** See {@link SwarmAnnounce}. */
  port: number = 0;
  /** See {@link SwarmAnnounce}. */
  key: number = 0;
  /** See {@link SwarmAnnounce}. */
  hostname: string | null = null;
  /** See {@link SwarmAnnounce}. */
  seed: boolean = false;
  /** See {@link SwarmAnnounce}. */
  event: TrackerEvent = "";
  /** See {@link SwarmAnnounce}. */
  numWant: number = NUM_WANT_DEFAULT;
  /** See {@link SwarmAnnounce}. */
  form: PeerForm = "compact";
  /** Whether peer ids may be left out of a list. */
  noPeerId: boolean = false;
  /** The address that the peer says it has; `null` where it says nothing that can be read. */
  ip: Uint8Array | null = null;
  /** What the store says. */
  readonly answer: SwarmAnswer = new SwarmAnswer();
}
