/**
 * The peer wire: handshakes and messages, and the machines that decide what is said over them.
 *
 * {@linkcode Manager} is one torrent's swarm without any I/O: bytes, completions and the time go in, bytes and
 * wishes come out. {@linkcode PeerSocket} joins it to a TCP connection. The codec beneath
 * ({@linkcode encodeHandshake}, {@linkcode MessageDecoder}, {@linkcode MessageWriter}) stands on its own.
 *
 * @example
 * ```ts
 * import { MessageWriter } from "@enjambre/peerwire";
 * import { assertEquals } from "@std/assert";
 *
 * const writer = new MessageWriter();
 * writer.interested();
 * writer.request(7, 16384, 16384);
 * assertEquals(writer.take()?.length, 5 + 17);
 * ```
 *
 * @module
 */

export type { PartialPiece } from "./assembly.ts";
export { Bitfield } from "./bitfield.ts";
export { dialPeer, type Greeted, greetPeer, PeerSocket } from "./conn_deno.ts";
export {
  Connection,
  type ConnectionEvents,
  type ConnectionOptions,
  REQUEST_BYTES_MAX,
} from "./connection.ts";
export { type PeerProtocolCode, PeerProtocolError } from "./errors.ts";
export {
  decodeExtensionHandshake,
  encodeExtensionHandshake,
  EXTENSION_HANDSHAKE_ID,
  type ExtensionHandshake,
  type ExtensionHandshakeFields,
  mergeExtensionHandshakes,
} from "./extension.ts";
export {
  decodeHandshake,
  decodeInfoHash,
  encodeHandshake,
  type Handshake,
  HANDSHAKE_BYTES,
  type HandshakeFields,
} from "./handshake.ts";
export { CONNECTIONS_MAX_DEFAULT, Manager } from "./manager.ts";
export type { Arrival, CloseReason, ManagerOptions, ManagerSink } from "./manager_options.ts";
export { DEADLINES_MAX } from "./deadlines.ts";
export { piecePriorities, PRIORITY, type Priority } from "./priorities.ts";
export type { Prospects } from "./prospects.ts";
export {
  MESSAGE_ID,
  MessageDecoder,
  type MessageDecoderOptions,
  type MessageHandler,
} from "./message.ts";
export { MessageWriter, type MessageWriterOptions } from "./message_writer.ts";
export { formatAddress, type PeerAddress } from "./peer_book.ts";
export { clientName, makePeerId, PEER_ID_PREFIX } from "./peer_id.ts";
export { peerPriority } from "./peer_priority.ts";
export { Picker, type PickerOptions } from "./picker.ts";
export {
  BegunPiece,
  MISSING,
  PeerRequests,
  RECEIVED,
  type ReceiveOutcome,
  REQUESTED,
  RequestTable,
  type RequestTableSink,
} from "./requests.ts";
export { RateMeter, TokenBucket } from "./rate.ts";
export { type PeerStatistics, type SwarmStatistics, type SwarmSummary } from "./statistics.ts";
export { type RecoveryTimes, SwarmStats, type WastedBytes } from "./stats.ts";
export { UploadQueue } from "./upload_queue.ts";
