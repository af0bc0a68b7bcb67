/**
 * What a peer did wrong, in one word; see {@linkcode PeerProtocolError}.
 *
 * - `bad-handshake`: the stream does not begin with the BitTorrent handshake (or is encrypted).
 * - `wrong-info-hash`: the handshake names a torrent that is not the one of this connection.
 * - `self-connection`: the peer at the other end is this program.
 * - `length`: a message is longer or shorter than one of its kind may be.
 * - `payload`: a message has the right length and holds something that cannot be.
 * - `index`: a piece, begin or length outside the torrent.
 * - `order`: a message at a time, or without the extension, that the protocol does not allow.
 * - `unrequested`: a block that nobody asked for.
 * - `extension`: an extension message (BEP 10) that does not parse.
 */
export type PeerProtocolCode =
  | "bad-handshake"
  | "wrong-info-hash"
  | "self-connection"
  | "length"
  | "payload"
  | "index"
  | "order"
  | "unrequested"
  | "extension";

/**
 * A peer broke the protocol: its connection is to be closed.
 *
 * Never thrown for what the caller of this module did wrong; that is a `TypeError` or `RangeError`.
 */
export class PeerProtocolError extends Error {
  /** Always `"PeerProtocolError"`. */
  override readonly name: string = "PeerProtocolError";
  /** What was broken, for programs; the message says it to people. */
  readonly code: PeerProtocolCode;

  /** Makes the error; `options.cause` is kept as in every `Error`. */
  constructor(code: PeerProtocolCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
