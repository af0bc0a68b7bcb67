import { assert, assertEquals } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { MessageWriter } from "@enjambre/peerwire";
import { fillContent, isContent, type Segment, segmentsOf } from "./virtual_content.ts";

const PIECE_BYTES = 2 * BLOCK_BYTES + 5;

function pieceOf(piece: number): Uint8Array {
  const data = new Uint8Array(PIECE_BYTES);
  fillContent(data, piece, 0);
  return data;
}

Deno.test("content: a piece is itself, and no other piece", () => {
  assert(isContent(pieceOf(3), 3));
  assert(!isContent(pieceOf(3), 4));
});

Deno.test("content: a block in the wrong place is found, and one that is not whole", () => {
  const swapped = pieceOf(3);
  swapped.set(pieceOf(3).subarray(BLOCK_BYTES, 2 * BLOCK_BYTES), 0);
  assert(!isContent(swapped, 3));
  const short = pieceOf(3);
  short[2 * BLOCK_BYTES - 1]! ^= 1;
  assert(!isContent(short, 3));
  const tail = pieceOf(3);
  tail[PIECE_BYTES - 1]! ^= 1;
  assert(!isContent(tail, 3));
});

Deno.test("content: a part that is read on its own is the same as in the whole", () => {
  const part = new Uint8Array(BLOCK_BYTES + 5);
  fillContent(part, 3, BLOCK_BYTES);
  const whole = pieceOf(3);
  whole.fill(0, 0, BLOCK_BYTES);
  whole.set(pieceOf(3).subarray(0, BLOCK_BYTES));
  whole.set(part, BLOCK_BYTES);
  assert(isContent(whole, 3));
});

Deno.test("segments: messages come out as they went in, blocks with their marks", () => {
  const writer = new MessageWriter();
  const piece = pieceOf(1);
  writer.unchoke();
  writer.have(7);
  writer.piece(1, 0, piece, 0, BLOCK_BYTES);
  writer.piece(1, 2 * BLOCK_BYTES, piece, 2 * BLOCK_BYTES, PIECE_BYTES);
  writer.keepAlive();
  const sent = writer.take()!.slice();
  const segments: Segment[] = [];
  segmentsOf(sent, (segment) => segments.push(segment));
  assertEquals(segments.map((segment) => segment.payloadBytes), [0, BLOCK_BYTES, 5]);
  assertEquals(segments.reduce((sum, segment) => sum + segment.wireBytes, 0), sent.length);
  const received = new Uint8Array(sent.length);
  let at = 0;
  for (const segment of segments) at += segment.expand(received.subarray(at));
  const marksOnly = sent.slice();
  marksOnly.fill(0, 14 + 13 + 8, 14 + 13 + BLOCK_BYTES - 4);
  assertEquals(received, marksOnly);
});
