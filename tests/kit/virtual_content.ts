/**
 * Content that is a function of piece and block, so that nothing is stored, and what travels of it.
 *
 * A block is marked at its first eight bytes and at its last four; what lies between is anything where it is read, and
 * zeros where it arrives, so that two copies are alike. So a block costs the simulator a few numbers, and one that came
 * to the wrong place, or not whole, is found all the same.
 */
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { MESSAGE_ID } from "@enjambre/peerwire";

/** Bytes before the block in a `piece` message: length, id, piece, begin. */
const HEADER_BYTES = 13;

/** The shortest block that both marks fit into; a shorter one travels as it is. */
const MARKED_BYTES_MIN = 12;

/** Small messages that follow one another travel together up to this size. */
const GROUP_BYTES_MAX = 16 * 1024;

/** What travels at once: a block, some other messages, any bytes, or the end of the stream. */
export class Segment {
  /** How long it is on the line. */
  readonly wireBytes: number;
  /** The bytes as they are; null for a block, of which only the marks are kept. */
  readonly bytes: Uint8Array | null;
  /** The payload of the blocks in it. */
  payloadBytes = 0;
  piece = 0;
  begin = 0;
  first = 0;
  second = 0;
  last = 0;
  /** Whether nothing comes after it. */
  readonly isEnd: boolean;

  constructor(wireBytes: number, bytes: Uint8Array | null, isEnd = false) {
    this.wireBytes = wireBytes;
    this.bytes = bytes;
    this.isEnd = isEnd;
  }

  /** Writes it as the receiver reads it. @returns how many bytes */
  expand(target: Uint8Array): number {
    if (this.bytes !== null) {
      target.set(this.bytes);
      return this.bytes.length;
    }
    const { payloadBytes } = this;
    writeUint32(target, 0, HEADER_BYTES - 4 + payloadBytes);
    target[4] = MESSAGE_ID.piece;
    writeUint32(target, 5, this.piece);
    writeUint32(target, 9, this.begin);
    writeUint32(target, HEADER_BYTES, this.first);
    writeUint32(target, HEADER_BYTES + 4, this.second);
    target.fill(0, HEADER_BYTES + 8, HEADER_BYTES + payloadBytes - 4);
    writeUint32(target, HEADER_BYTES + payloadBytes - 4, this.last);
    return HEADER_BYTES + payloadBytes;
  }
}

/** Cuts whole messages, one behind the other, into segments; blocks are reduced to their marks. */
export function segmentsOf(messages: Uint8Array, take: (segment: Segment) => void): void {
  let groupStart = 0;
  let groupPayloadBytes = 0; // of blocks that are too short for their marks
  let at = 0;
  const endGroup = (): void => {
    if (at === groupStart) return;
    const group = new Segment(at - groupStart, messages.slice(groupStart, at));
    group.payloadBytes = groupPayloadBytes;
    groupPayloadBytes = 0;
    take(group);
  };
  while (at < messages.length) {
    const bytes = 4 + readUint32(messages, at);
    const payloadBytes = bytes - HEADER_BYTES;
    const isBlock = bytes > 4 && messages[at + 4] === MESSAGE_ID.piece;
    if (isBlock && payloadBytes >= MARKED_BYTES_MIN) {
      endGroup();
      take(blockOf(messages, at, payloadBytes));
      at += bytes;
      groupStart = at;
    } else {
      if (at + bytes - groupStart > GROUP_BYTES_MAX) {
        endGroup();
        groupStart = at;
      }
      if (isBlock) groupPayloadBytes += payloadBytes;
      at += bytes;
    }
  }
  endGroup();
}

function blockOf(messages: Uint8Array, at: number, payloadBytes: number): Segment {
  const segment = new Segment(HEADER_BYTES + payloadBytes, null);
  segment.payloadBytes = payloadBytes;
  segment.piece = readUint32(messages, at + 5);
  segment.begin = readUint32(messages, at + 9);
  segment.first = readUint32(messages, at + HEADER_BYTES);
  segment.second = readUint32(messages, at + HEADER_BYTES + 4);
  segment.last = readUint32(messages, at + HEADER_BYTES + payloadBytes - 4);
  return segment;
}

/** Fills `target` with what the torrent has from `begin` of `piece`, a block's border. */
export function fillContent(target: Uint8Array, piece: number, begin: number): void {
  for (let at = 0; at < target.length; at += BLOCK_BYTES) {
    const end = Math.min(at + BLOCK_BYTES, target.length);
    const mark = markOf(piece, (begin + at) / BLOCK_BYTES);
    if (end - at < MARKED_BYTES_MIN) {
      target.fill(mark, at, end);
      continue;
    }
    writeUint32(target, at, mark);
    writeUint32(target, at + 4, ~mark);
    writeUint32(target, end - 4, Math.imul(mark, 3));
  }
}

/** Whether `data` is the whole of a piece. */
export function isContent(data: Uint8Array, piece: number): boolean {
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    if (!isBlock(data, at, Math.min(at + BLOCK_BYTES, data.length), piece)) return false;
  }
  return true;
}

function isBlock(data: Uint8Array, at: number, end: number, piece: number): boolean {
  const mark = markOf(piece, at / BLOCK_BYTES);
  if (end - at < MARKED_BYTES_MIN) return data.subarray(at, end).every((b) => b === (mark & 0xff));
  return readUint32(data, at) === mark && readUint32(data, at + 4) === ~mark >>> 0 &&
    readUint32(data, end - 4) === Math.imul(mark, 3) >>> 0;
}

/** What a block is known by: no two of one torrent are alike. */
function markOf(piece: number, block: number): number {
  return (Math.imul(piece, 0x10001) + Math.imul(block, 0x9e3779b1) + 0x5bd1e995) >>> 0;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>>
    0;
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
