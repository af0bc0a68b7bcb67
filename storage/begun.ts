import { type BencodeValue, decodePrefix, encode } from "@enjambre/bencode";
import { BLOCK_BYTES, type Geometry } from "@enjambre/metainfo";

/** Bytes of blocks that are kept of begun pieces: what the pool of piece buffers holds unless told otherwise. */
export const BEGUN_BYTES_MAX: number = 64 * 1024 * 1024;

/** What the numbers and bitfields of all pieces may take in front of the blocks. */
const HEADER_BYTES_MAX = 4 * 1024 * 1024;

/** Values in the data for each piece: its index, its bitfield, and the dictionary of both. */
const VALUES_PER_PIECE = 3;

/** The most bytes that {@linkcode encodeBegun} makes. */
export const BEGUN_FILE_BYTES_MAX: number = BEGUN_BYTES_MAX + HEADER_BYTES_MAX;

/** A piece of which some blocks have come. */
export interface BegunPiece {
  /** Its index. */
  readonly piece: number;
  /** Which blocks have come. **Shape**: one bit for each block, bit 0 is the high bit of byte 0. */
  readonly received: Uint8Array;
  /** The piece; what has not come means nothing. */
  readonly data: Uint8Array;
}

/**
 * Writes begun pieces down: a bencoded list of which blocks there are, then the blocks.
 *
 * **Shape** of the result: stretches, one after another.
 * **Ownership**: the stretches are views of the pieces' data; nothing is copied.
 * **Limits**: `bytesMax` bytes of blocks; pieces that do not fit are left out, and are fetched again.
 * **Errors**: `RangeError` for a piece whose data or bitfield are not of its size.
 */
export function encodeBegun(
  geometry: Geometry,
  pieces: Iterable<BegunPiece>,
  bytesMax: number = BEGUN_BYTES_MAX,
): Uint8Array[] {
  const header = [];
  const stretches: Uint8Array[] = [];
  let roomBytes = bytesMax;
  for (const begun of pieces) {
    assertShape(geometry, begun);
    const { piece, received, data } = begun;
    const views: Uint8Array[] = [];
    let bytes = 0;
    forEachStretch(geometry, piece, received, (begin, end) => {
      views.push(data.subarray(begin, end));
      bytes += end - begin;
    });
    if (bytes === 0 || bytes > roomBytes) continue;
    roomBytes -= bytes;
    header.push({ piece, received });
    stretches.push(...views);
  }
  return [encode(header), ...stretches];
}

/**
 * Reads begun pieces; none where the data are damaged or of another torrent.
 *
 * **Ownership**: the result is the caller's.
 */
export function decodeBegun(geometry: Geometry, bytes: Uint8Array): BegunPiece[] {
  try {
    const { value, end } = decodePrefix(bytes, {
      maxBytes: BEGUN_FILE_BYTES_MAX,
      maxValues: 1 + geometry.pieceCount * VALUES_PER_PIECE,
    });
    let start = end;
    const pieces: BegunPiece[] = [];
    for (const item of Array.isArray(value) ? value : []) {
      const begun = emptyPiece(geometry, item);
      forEachStretch(geometry, begun.piece, begun.received, (begin, end) => {
        begun.data.set(bytes.subarray(start, start + end - begin), begin);
        start += end - begin;
      });
      pieces.push(begun);
    }
    return start === bytes.length ? pieces : [];
  } catch {
    return [];
  }
}

/** A piece as the header has it, its data still to come; throws where it is none of the torrent. */
function emptyPiece(geometry: Geometry, item: BencodeValue): BegunPiece {
  if (!(item instanceof Map)) throw new TypeError("A dictionary is due");
  const piece = item.get("piece");
  const received = item.get("received");
  if (typeof piece !== "number") throw new TypeError("A number is due");
  if (!(received instanceof Uint8Array)) throw new TypeError("A bitfield is due");
  const data = new Uint8Array(geometry.pieceBytes(piece));
  const begun = { piece, received: received.slice(), data };
  assertShape(geometry, begun);
  return begun;
}

function assertShape(geometry: Geometry, { piece, received, data }: BegunPiece): void {
  const dueBytes = geometry.pieceBytes(piece);
  const dueBitfield = Math.ceil(geometry.blockCount(piece) / 8);
  if (data.length === dueBytes && received.length === dueBitfield) return;
  throw new RangeError(
    `Cannot keep piece ${piece}: data are ${data.length} bytes, bitfield ${received.length} bytes, ` +
      `${dueBytes} and ${dueBitfield} bytes are due`,
  );
}

/** Calls `visit` for each stretch of blocks that have come, in order. */
function forEachStretch(
  geometry: Geometry,
  piece: number,
  received: Uint8Array,
  visit: (begin: number, end: number) => void,
): void {
  const blockCount = geometry.blockCount(piece);
  const has = (block: number): boolean =>
    block < blockCount && (received[block >>> 3]! & (0x80 >>> (block & 7))) !== 0;
  for (let block = 0; block < blockCount; block++) {
    if (!has(block)) continue;
    const first = block;
    while (has(block + 1)) block++;
    const end = block * BLOCK_BYTES + geometry.blockBytes(piece, block);
    visit(first * BLOCK_BYTES, end);
  }
}
