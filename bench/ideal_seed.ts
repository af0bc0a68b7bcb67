/**
 * An ideal seed: serves every block of a torrent out of memory, to any number of peers, with no choking and
 * no disk. It stands in for a peer without limits, so that what is measured is the leecher alone.
 *
 * `deno run -A bench/ideal_seed.ts TORRENT DATA [--port N] [--hostname H] [--tracker URL]`
 *
 * DATA is the torrent's file or folder. Prints one JSON object per line: `listening` with its port, and `served`
 * at the end of each connection that took blocks, with `bytes` and the times of the first request and of the last
 * block written, in milliseconds since 1970.
 */
import { parseArgs } from "@std/cli/parse-args";
import { parseTorrent, type Torrent } from "@enjambre/metainfo";
import {
  beginsAsHandshake,
  BITFIELD,
  BLOCK_BYTES,
  BLOCK_HEADER_BYTES,
  HANDSHAKE_BYTES,
  handshakeOf,
  messageOf,
  PIECE,
  ReadBuffer,
  REQUEST,
  REQUEST_BYTES,
  UNCHOKE,
  writeAll,
} from "./ideal_wire.ts";

const PEER_ID = "-EI0001-ideal-seed--";
/** The handshake's first part, which tells plain from encrypted. */
const PROTOCOL_BYTES = 20;
const READ_BUFFER_BYTES = 256 * 1024;
/** Blocks that are written at a time. */
const BLOCKS_PER_WRITE = 32;
const LOAD_BYTES = 16 * 1024 * 1024;

/** What one connection took. */
interface Served {
  bytes: number;
  firstRequestMs: number;
  lastBlockMs: number;
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["port", "hostname", "tracker"],
    default: { port: "0", hostname: "127.0.0.1" },
  });
  const [torrentPath, dataPath] = flags._.map(String);
  if (torrentPath === undefined || dataPath === undefined) {
    console.error("Cannot seed: expected TORRENT and DATA");
    Deno.exit(2);
  }
  const torrent = await parseTorrent(await Deno.readFile(torrentPath));
  const content = await loadContent(torrent, dataPath);
  using listener = Deno.listen({ hostname: flags.hostname, port: Number(flags.port) });
  const { port } = listener.addr as Deno.NetAddr;
  if (flags.tracker !== undefined) await announce(flags.tracker, torrent.swarmHash, port);
  console.log(JSON.stringify({ event: "listening", hostname: flags.hostname, port }));
  for await (const connection of listener) serve(connection, torrent, content);
}

/** All bytes of the torrent as they follow one another, padding included. */
async function loadContent(torrent: Torrent, dataPath: string): Promise<Uint8Array> {
  const { files, totalBytes } = torrent.geometry;
  const content = new Uint8Array(totalBytes);
  for (const file of files) {
    if (file.padding) continue;
    // A file's path begins with the torrent's name, which DATA names already.
    using source = await Deno.open(dataPath + file.path.slice(torrent.name.length));
    const end = file.offset + file.bytes;
    for (let offset = file.offset; offset < end;) {
      const part = content.subarray(offset, Math.min(offset + LOAD_BYTES, end));
      const count = await source.read(part);
      if (count === null) throw new Error(`Cannot read ${file.path}: it ends too early`);
      offset += count;
    }
  }
  return content;
}

/** Tells a tracker that a seed listens here. */
async function announce(tracker: string, infoHash: Uint8Array, port: number): Promise<void> {
  const escaped = [...infoHash].map((byte) => "%" + byte.toString(16).padStart(2, "0")).join("");
  const response = await fetch(
    `${tracker}?info_hash=${escaped}&peer_id=${PEER_ID}&port=${port}` +
      "&uploaded=0&downloaded=0&left=0&compact=1&event=started",
  );
  await response.body?.cancel();
}

/** Serves one connection to its end, and reports what it took. */
async function serve(
  connection: Deno.TcpConn,
  torrent: Torrent,
  content: Uint8Array,
): Promise<void> {
  const served: Served = { bytes: 0, firstRequestMs: 0, lastBlockMs: 0 };
  try {
    connection.setNoDelay(true);
    const input = new ReadBuffer(connection, READ_BUFFER_BYTES);
    await input.need(PROTOCOL_BYTES);
    // An encrypted handshake: hang up, the peer tries again in the clear.
    if (!beginsAsHandshake(input.bytes)) return;
    await input.need(HANDSHAKE_BYTES);
    input.begin += HANDSHAKE_BYTES;
    await writeAll(connection, handshakeOf(torrent.swarmHash, PEER_ID));
    await writeAll(connection, messageOf(BITFIELD, fullBitfield(torrent.geometry.pieceCount)));
    await writeAll(connection, messageOf(UNCHOKE));
    await answerRequests(connection, input, torrent.geometry.pieceLength, content, served);
  } catch {
    // The peer hung up, or asked for what there is not.
  } finally {
    connection.close();
    if (served.bytes > 0) console.log(JSON.stringify({ event: "served", ...served }));
  }
}

/** hot: answers requests until the peer hangs up; justified by bench/leech.ts. */
async function answerRequests(
  connection: Deno.TcpConn,
  input: ReadBuffer,
  pieceLength: number,
  content: Uint8Array,
  served: Served,
): Promise<void> {
  const output = new Uint8Array((BLOCK_BYTES + BLOCK_HEADER_BYTES) * BLOCKS_PER_WRITE);
  const outputView = new DataView(output.buffer);
  let used = 0;
  const flush = async () => {
    await writeAll(connection, output.subarray(0, used));
    used = 0;
    served.lastBlockMs = Date.now();
  };
  for (;;) {
    while (!input.hasMessage()) {
      if (used > 0) await flush();
      await input.fill();
    }
    const messageBytes = 4 + input.view.getUint32(input.begin);
    if (messageBytes === REQUEST_BYTES && input.bytes[input.begin + 4] === REQUEST) {
      const piece = input.view.getUint32(input.begin + 5);
      const begin = input.view.getUint32(input.begin + 9);
      const length = input.view.getUint32(input.begin + 13);
      const offset = piece * pieceLength + begin;
      if (length > BLOCK_BYTES || offset + length > content.length) {
        throw new RangeError(`Cannot serve piece ${piece}: begin is ${begin}, length is ${length}`);
      }
      if (used + BLOCK_HEADER_BYTES + length > output.length) await flush();
      if (served.bytes === 0) served.firstRequestMs = Date.now();
      outputView.setUint32(used, BLOCK_HEADER_BYTES - 4 + length);
      output[used + 4] = PIECE;
      outputView.setUint32(used + 5, piece);
      outputView.setUint32(used + 9, begin);
      output.set(content.subarray(offset, offset + length), used + BLOCK_HEADER_BYTES);
      used += BLOCK_HEADER_BYTES + length;
      served.bytes += length;
    }
    input.begin += messageBytes;
  }
}

/** The bitfield of somebody who has everything. */
function fullBitfield(pieceCount: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(pieceCount / 8)).fill(0xff);
  const spare = bits.length * 8 - pieceCount;
  if (spare > 0) bits[bits.length - 1] = (0xff << spare) & 0xff;
  return bits;
}

if (import.meta.main) await main();
