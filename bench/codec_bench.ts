/**
 * The codec against `npm:bencode`, on a torrent with 10,000 files that is made here.
 *
 * `deno bench bench/codec_bench.ts`
 */
import { decode, encode, sourceRange } from "@enjambre/bencode";
import npmBencode from "bencode";

const FILES = 10_000;
const PIECE_BYTES = 1024 * 1024;

/** The torrent as plain values, which both encoders take. */
function syntheticTorrent() {
  const files = [];
  let totalBytes = 0;
  for (let i = 0; i < FILES; i++) {
    const length = (i * 7919) % 5_000_000;
    totalBytes += length;
    files.push({
      length,
      path: [`folder ${Math.floor(i / 100)}`, `file number ${i}.bin`],
    });
  }
  const pieces = new Uint8Array(20 * Math.ceil(totalBytes / PIECE_BYTES));
  for (let i = 0; i < pieces.length; i++) pieces[i] = (i * 31 + (i >> 8)) & 0xff;
  return {
    announce: "http://tracker.example/announce",
    "creation date": 1_700_000_000,
    info: { files, name: "a torrent of many files", "piece length": PIECE_BYTES, pieces },
  };
}

const torrent = syntheticTorrent();
const bytes = encode(torrent);
const ours = decode(bytes);
const theirs = npmBencode.decode(bytes);

Deno.bench({
  name: "npm:bencode decode",
  group: "decode",
  baseline: true,
  fn: () => void npmBencode.decode(bytes),
});
Deno.bench({ name: "decode", group: "decode", fn: () => void decode(bytes) });
Deno.bench({
  name: 'sourceRange of "info"',
  group: "decode",
  fn: () => void sourceRange(bytes, ["info"]),
});

Deno.bench({
  name: "npm:bencode encode",
  group: "encode",
  baseline: true,
  fn: () => void npmBencode.encode(theirs),
});
Deno.bench({ name: "encode", group: "encode", fn: () => void encode(ours) });

Deno.bench({
  name: "npm:bencode encode, objects and text",
  group: "encode, objects and text",
  baseline: true,
  fn: () => void npmBencode.encode(torrent),
});
Deno.bench({
  name: "encode, objects and text",
  group: "encode, objects and text",
  fn: () => void encode(torrent),
});
