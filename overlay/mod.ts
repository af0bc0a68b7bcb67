/**
 * The overlay, by which peers find each other with no tracker: nodes gossip signed records of who provides what.
 *
 * @module
 */

export { type Beat, BeatMaker, BeatTable, type Chain, type Hash } from "./beats.ts";
export { loadSigner, makeSigner, makeVerify, OverlayKeyError, sha256 } from "./keys_deno.ts";
export { type Verify } from "./intake.ts";
export { LOOKUP_MS } from "./lookups.ts";
export { type Member, MEMBERS_MAX, Membership } from "./membership.ts";
export { LINE_CHARACTERS_MAX, OVERLAY_VERSION } from "./messages.ts";
export { BEAT_MS, Node, type NodeSink } from "./node.ts";
export {
  CLUSTER_DEFAULT,
  OverlayNode,
  type OverlayNodeOptions,
  type OverlayStatus,
} from "./node_deno.ts";
export { type NodeOptions, type Replication } from "./options.ts";
export { type Announcement, type Signer } from "./own_records.ts";
export {
  isAddress,
  LEFT_GONE,
  NOTE_CHARACTERS_MAX,
  type ProviderRecord,
  RECORD_TTL_SECONDS,
  signedBytes,
  type SignedRecord,
  TTL_SECONDS_MAX,
} from "./record.ts";
export {
  type HeardRecord,
  type Provider,
  type ProviderChange,
  RecordMap,
  type RecordMapOptions,
  type Verdict,
} from "./record_map.ts";
export { nearest } from "./replication.ts";
export { ROUND_MS } from "./rounds.ts";
export { type Offence } from "./senders.ts";
export { type NodeStatus, type TrafficTotals } from "./status.ts";
