/**
 * An ideal seed: serves every block of a torrent out of memory, to any number of peers, with no choking and
 * no disk. It stands in for a peer without limits, so that what is measured is the leecher alone.
 *
 * `deno run -A bench/ideal_seed.ts TORRENT DATA [--port N] [--hostname H] [--tracker URL] [--connections N,…]`
 *
 * DATA is the torrent's file or folder. Everybody is unchoked at once, or, with `--connections`, when so many are
 * connected (or a minute after the first one); of several numbers each has a port of its own. Prints one JSON object per line: `listening` with its `ports`,
 * `unchoking` with how many `peers` are there and the time `atMs`, and `served` at the end of each connection that took
 * blocks, with `bytes` and the times of the first request and of the last block written. Times are in milliseconds
 * since 1970.
 *
 * The content lies in memory as it travels, each block behind its header: what is asked for in order is written as it
 * lies, without a copy. So blocks have to be asked for as everybody does, whole and aligned.
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

/** Behind it, a number tells connections apart: a client may take two of one peer id for one peer. */
const PEER_ID = "-EI0001-ideal-seed";
const PEER_NUMBERS = 36 ** 2;
/** The handshake's first part, which tells plain from encrypted. */
const PROTOCOL_BYTES = 20;
const READ_BUFFER_BYTES = 64 * 1024;
/** Bytes of a block as it travels. */
const SLOT_BYTES = BLOCK_HEADER_BYTES + BLOCK_BYTES;
/** For how long peers are kept waiting for others. */
const GATHER_LIMIT_MS = 60_000;

/** What one connection took. */
interface Served {
  bytes: number;
  firstRequestMs: number;
  lastBlockMs: number;
}

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["port", "hostname", "tracker", "connections"],
    default: { port: "0", hostname: "127.0.0.1", connections: "1" },
  });
  const [torrentPath, dataPath] = flags._.map(String);
  if (torrentPath === undefined || dataPath === undefined) {
    console.error("Cannot seed: expected TORRENT and DATA");
    Deno.exit(2);
  }
  const torrent = await parseTorrent(await Deno.readFile(torrentPath));
  const content = await WireContent.load(torrent, dataPath);
  const counts = flags.connections.split(",").map(Number);
  const listeners = counts.map((_, i) =>
    Deno.listen({ hostname: flags.hostname, port: i === 0 ? Number(flags.port) : 0 })
  );
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  const [port] = ports;
  if (flags.tracker !== undefined) await announce(flags.tracker, torrent.swarmHash, port!);
  console.log(JSON.stringify({ event: "listening", hostname: flags.hostname, port, ports }));
  await Promise.all(listeners.map(async (listener, i) => {
    const gathering = new Gathering(counts[i]!);
    for await (const connection of listener) serve(connection, torrent, content, gathering);
  }));
}

/** All blocks of a torrent as they travel, one behind the other; padding is content too. */
class WireContent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly pieceLength: number;
  readonly totalBytes: number;

  private constructor({ geometry }: Torrent) {
    if (geometry.pieceLength % BLOCK_BYTES !== 0) {
      throw new Error(
        `Cannot seed pieces of ${geometry.pieceLength} bytes: they are not of blocks`,
      );
    }
    this.pieceLength = geometry.pieceLength;
    this.totalBytes = geometry.totalBytes;
    const blocks = Math.ceil(this.totalBytes / BLOCK_BYTES);
    this.bytes = new Uint8Array(this.totalBytes + blocks * BLOCK_HEADER_BYTES);
    const view = new DataView(this.bytes.buffer);
    for (let block = 0; block < blocks; block++) {
      const at = block * SLOT_BYTES;
      const offset = block * BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES, this.totalBytes - offset);
      view.setUint32(at, BLOCK_HEADER_BYTES - 4 + length);
      this.bytes[at + 4] = PIECE;
      view.setUint32(at + 5, Math.floor(offset / this.pieceLength));
      view.setUint32(at + 9, offset % this.pieceLength);
    }
  }

  /** Reads the files of a torrent. */
  static async load(torrent: Torrent, dataPath: string): Promise<WireContent> {
    const content = new WireContent(torrent);
    for (const file of torrent.geometry.files) {
      if (file.padding) continue;
      // A file's path begins with the torrent's name, which DATA names already.
      using source = await Deno.open(dataPath + file.path.slice(torrent.name.length));
      const end = file.offset + file.bytes;
      for (let offset = file.offset; offset < end;) {
        const inBlock = offset % BLOCK_BYTES;
        const at = Math.floor(offset / BLOCK_BYTES) * SLOT_BYTES + BLOCK_HEADER_BYTES + inBlock;
        const length = Math.min(BLOCK_BYTES - inBlock, end - offset);
        const count = source.readSync(content.bytes.subarray(at, at + length));
        if (count === null) throw new Error(`Cannot read ${file.path}: it ends too early`);
        offset += count;
      }
    }
    return content;
  }

  /** Where the message begins that answers a request. */
  begin(piece: number, begin: number, length: number): number {
    const offset = piece * this.pieceLength + begin;
    const expected = Math.min(BLOCK_BYTES, this.totalBytes - offset);
    if (offset % BLOCK_BYTES !== 0 || length !== expected) {
      throw new RangeError(`Cannot serve piece ${piece}: begin is ${begin}, length is ${length}`);
    }
    return offset / BLOCK_BYTES * SLOT_BYTES;
  }
}

/** Lets everybody wait until enough are there. Who comes later does not wait, until all have left. */
class Gathering {
  readonly #wanted: number;
  #present: number;
  #numbers: number;
  #isComplete: PromiseWithResolvers<void>;
  #hasBegun: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(wanted: number) {
    this.#wanted = wanted;
    this.#present = 0;
    this.#numbers = 0;
    this.#isComplete = Promise.withResolvers();
    this.#hasBegun = false;
  }

  /** A number for a new connection. */
  nextNumber(): number {
    return this.#numbers++ % PEER_NUMBERS;
  }

  /** Somebody is there; resolves when all are. */
  async join(): Promise<void> {
    this.#present++;
    this.#timer ??= setTimeout(() => this.#begin(), GATHER_LIMIT_MS);
    if (this.#present >= this.#wanted) this.#begin();
    await this.#isComplete.promise;
  }

  /** Somebody left. */
  leave(): void {
    if (--this.#present > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isComplete = Promise.withResolvers();
    this.#hasBegun = false;
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    console.log(JSON.stringify({ event: "unchoking", peers: this.#present, atMs: Date.now() }));
    this.#isComplete.resolve();
  }
}

/** Tells a tracker that a seed listens here. */
async function announce(tracker: string, infoHash: Uint8Array, port: number): Promise<void> {
  const escaped = [...infoHash].map((byte) => "%" + byte.toString(16).padStart(2, "0")).join("");
  const response = await fetch(
    `${tracker}?info_hash=${escaped}&peer_id=${PEER_ID}00&port=${port}` +
      "&uploaded=0&downloaded=0&left=0&compact=1&event=started",
  );
  await response.body?.cancel();
}

/** Serves one connection to its end, and reports what it took. */
async function serve(
  connection: Deno.TcpConn,
  torrent: Torrent,
  content: WireContent,
  gathering: Gathering,
): Promise<void> {
  const served: Served = { bytes: 0, firstRequestMs: 0, lastBlockMs: 0 };
  let hasJoined = false;
  try {
    connection.setNoDelay(true);
    const input = new ReadBuffer(connection, READ_BUFFER_BYTES);
    await input.need(PROTOCOL_BYTES);
    // An encrypted handshake: hang up, the peer tries again in the clear.
    if (!beginsAsHandshake(input.bytes)) return;
    await input.need(HANDSHAKE_BYTES);
    input.begin += HANDSHAKE_BYTES;
    const number = gathering.nextNumber().toString(36).padStart(2, "0");
    await writeAll(connection, handshakeOf(torrent.swarmHash, PEER_ID + number));
    await writeAll(connection, messageOf(BITFIELD, fullBitfield(torrent.geometry.pieceCount)));
    hasJoined = true;
    await gathering.join();
    await writeAll(connection, messageOf(UNCHOKE));
    await answerRequests(connection, input, content, served);
  } catch {
    // The peer hung up, or asked for what there is not.
  } finally {
    if (hasJoined) gathering.leave();
    connection.close();
    if (served.bytes > 0) console.log(JSON.stringify({ event: "served", ...served }));
  }
}

/** hot: answers requests until the peer hangs up; justified by bench/leech.ts. */
async function answerRequests(
  connection: Deno.TcpConn,
  input: ReadBuffer,
  content: WireContent,
  served: Served,
): Promise<void> {
  // What has been asked for and not yet written, as it lies.
  let begin = 0;
  let end = 0;
  const flush = async () => {
    await writeAll(connection, content.bytes.subarray(begin, end));
    begin = end = 0;
    served.lastBlockMs = Date.now();
  };
  for (;;) {
    while (!input.hasMessage()) {
      if (end > begin) await flush();
      await input.fill();
    }
    const messageBytes = 4 + input.view.getUint32(input.begin);
    if (messageBytes === REQUEST_BYTES && input.bytes[input.begin + 4] === REQUEST) {
      const length = input.view.getUint32(input.begin + 13);
      const at = content.begin(
        input.view.getUint32(input.begin + 5),
        input.view.getUint32(input.begin + 9),
        length,
      );
      if (end > begin && at !== end) await flush();
      if (end === begin) begin = at;
      end = at + BLOCK_HEADER_BYTES + length;
      if (served.bytes === 0) served.firstRequestMs = Date.now();
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
