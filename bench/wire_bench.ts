/**
 * The messages that come and go most: decoded out of one buffer, and written into another.
 *
 * `deno bench -A bench/wire_bench.ts`
 */
import { Bitfield, MessageDecoder, type MessageHandler, MessageWriter } from "@enjambre/peerwire";

const BLOCK_BYTES = 16384;
const SMALL_MESSAGES = 1000;
const BLOCKS = 8;

/** Does as little as a handler can, and counts so that nothing is optimised away. */
let heard = 0;
const count = () => void heard++;
const handler: MessageHandler = {
  handleKeepAlive: count,
  handleChoke: count,
  handleUnchoke: count,
  handleInterested: count,
  handleNotInterested: count,
  handleHave: count,
  handleBitfield: count,
  handleRequest: count,
  handlePiece: count,
  handleCancel: count,
  handlePort: count,
  handleSuggest: count,
  handleHaveAll: count,
  handleHaveNone: count,
  handleReject: count,
  handleAllowedFast: count,
  handleExtended: count,
  handleUnknown: count,
};

const block = new Uint8Array(BLOCK_BYTES);

function writeRequests(writer: MessageWriter): void {
  for (let i = 0; i < SMALL_MESSAGES; i++) writer.request(i, 0, BLOCK_BYTES);
}

function writeHaves(writer: MessageWriter): void {
  for (let i = 0; i < SMALL_MESSAGES; i++) writer.have(i);
}

function writeBlocks(writer: MessageWriter): void {
  for (let i = 0; i < BLOCKS; i++) writer.piece(i, 0, block, 0, BLOCK_BYTES);
}

for (
  const [name, write] of [
    ["1,000 requests", writeRequests],
    ["1,000 haves", writeHaves],
    ["8 blocks of 16 KiB", writeBlocks],
  ] as const
) {
  const writer = new MessageWriter();
  Deno.bench({
    name,
    group: "encode",
    fn() {
      write(writer);
      writer.take();
      writer.release();
    },
  });

  const source = new MessageWriter();
  write(source);
  const bytes = source.take()!;
  const decoder = new MessageDecoder({ handler, pieceCount: 1000 });
  Deno.bench({ name, group: "decode", fn: () => decoder.feed(bytes) });
}

const has = new Bitfield(1000);
has.set(999);
let asked = 0;
Deno.bench({
  name: "1,000 has()",
  group: "bitfield",
  fn() {
    for (let piece = 0; piece < 1000; piece++) if (has.has(piece)) asked++;
  },
});
