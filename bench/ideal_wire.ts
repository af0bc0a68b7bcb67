/**
 * What the ideal seed and the ideal leecher share: the few messages that they exchange, written and read in
 * the least possible work. It is not `@enjambre/peerwire`, on purpose: what is measured against these two must
 * not be measured against itself.
 *
 * **Source**: BEP 3.
 */

/** A block, and the most that one request may ask of the ideal seed. */
export const BLOCK_BYTES = 16_384;
/** Bytes of a `piece` message before its block: length, id, piece, begin. */
export const BLOCK_HEADER_BYTES = 13;
/** Bytes of a `request` message, length included. */
export const REQUEST_BYTES = 17;
/** Bytes of a handshake. */
export const HANDSHAKE_BYTES = 68;

/** Message ids. */
export const CHOKE = 0;
export const UNCHOKE = 1;
export const INTERESTED = 2;
export const BITFIELD = 5;
export const REQUEST = 6;
export const PIECE = 7;

const PROTOCOL: Uint8Array = new TextEncoder().encode("\x13BitTorrent protocol");
const INFO_HASH_OFFSET = 28;
const PEER_ID_OFFSET = 48;

/** A handshake without extensions; `peerId` is 20 ASCII characters. */
export function handshakeOf(infoHash: Uint8Array, peerId: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HANDSHAKE_BYTES);
  bytes.set(PROTOCOL);
  bytes.set(infoHash, INFO_HASH_OFFSET);
  bytes.set(new TextEncoder().encode(peerId), PEER_ID_OFFSET);
  return bytes;
}

/** Whether bytes begin as a handshake in the clear does; an encrypted one (MSE) does not. */
export function beginsAsHandshake(bytes: Uint8Array): boolean {
  return PROTOCOL.every((byte, i) => bytes[i] === byte);
}

/** A message of an id and a payload. */
export function messageOf(
  id: number,
  payload: Uint8Array = new Uint8Array(),
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(5 + payload.length);
  new DataView(bytes.buffer).setUint32(0, 1 + payload.length);
  bytes[4] = id;
  bytes.set(payload, 5);
  return bytes;
}

/** Writes all of it: `write` alone may write less. */
export async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await connection.write(bytes.subarray(written));
  }
}

/**
 * What has been read from a connection and not yet taken.
 *
 * **Ownership**: `bytes` and `view` are valid until the next `fill`, which moves what is left to the front.
 */
export class ReadBuffer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  /** Where the next byte to take is. */
  begin: number;
  /** Behind the last byte that was read. */
  end: number;
  readonly #connection: Deno.Conn;

  constructor(connection: Deno.Conn, capacityBytes: number) {
    this.#connection = connection;
    this.bytes = new Uint8Array(capacityBytes);
    this.view = new DataView(this.bytes.buffer);
    this.begin = 0;
    this.end = 0;
  }

  /** Whether a whole message is there. */
  hasMessage(): boolean {
    const there = this.end - this.begin;
    return there >= 4 && there >= 4 + this.view.getUint32(this.begin);
  }

  /** Reads what there is; at least one byte. Throws at the end of the connection, and for a message beyond the capacity. */
  async fill(): Promise<void> {
    this.bytes.copyWithin(0, this.begin, this.end);
    this.end -= this.begin;
    this.begin = 0;
    if (this.end === this.bytes.length) {
      throw new RangeError(`Cannot read message: limit is ${this.bytes.length} bytes`);
    }
    const count = await this.#connection.read(this.bytes.subarray(this.end));
    if (count === null) throw new Error("Cannot read message: the peer hung up");
    this.end += count;
  }

  /** Reads until so many bytes are there. */
  async need(bytes: number): Promise<void> {
    while (this.end - this.begin < bytes) await this.fill();
  }
}
