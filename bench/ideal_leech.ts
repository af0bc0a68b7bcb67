/**
 * An ideal leecher: asks for every block in order with a deep pipeline and throws the bytes away, so that
 * what is measured is the seed alone.
 *
 * `deno run -A bench/ideal_leech.ts TORRENT HOST PORT [--pipeline BLOCKS]`
 *
 * Prints one JSON object: `complete` with `bytes`, `seconds` and `bytesPerSecond`, counted from the unchoke on.
 */
import { parseArgs } from "@std/cli/parse-args";
import { type Geometry, parseTorrent } from "@enjambre/metainfo";
import {
  beginsAsHandshake,
  BLOCK_BYTES,
  BLOCK_HEADER_BYTES,
  CHOKE,
  HANDSHAKE_BYTES,
  handshakeOf,
  INTERESTED,
  messageOf,
  PIECE,
  ReadBuffer,
  REQUEST,
  REQUEST_BYTES,
  UNCHOKE,
  writeAll,
} from "./ideal_wire.ts";

const PEER_ID = "-EI0001-ideal-leech-";
const READ_BUFFER_BYTES = 1024 * 1024;
/** Blocks asked for and not yet there, at most. */
const PIPELINE_BLOCKS = 256;

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["pipeline"],
    default: { pipeline: String(PIPELINE_BLOCKS) },
  });
  const [torrentPath, hostname, port] = flags._.map(String);
  if (torrentPath === undefined || hostname === undefined || port === undefined) {
    console.error("Cannot leech: expected TORRENT, HOST and PORT");
    Deno.exit(2);
  }
  const torrent = await parseTorrent(await Deno.readFile(torrentPath));
  const connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay(true);
  await writeAll(connection, handshakeOf(torrent.swarmHash, PEER_ID));
  const input = new ReadBuffer(connection, READ_BUFFER_BYTES);
  await input.need(HANDSHAKE_BYTES);
  if (!beginsAsHandshake(input.bytes)) throw new Error("Cannot read handshake: it is none");
  input.begin += HANDSHAKE_BYTES;
  // Not before: aria2 takes nothing behind a handshake that it has not answered.
  await writeAll(connection, messageOf(INTERESTED));
  const requests = new RequestWriter(torrent.geometry, Number(flags.pipeline));
  const seconds = await takeAll(connection, input, requests, torrent.geometry.totalBytes);
  connection.close();
  const bytes = torrent.geometry.totalBytes;
  console.log(
    JSON.stringify({ event: "complete", bytes, seconds, bytesPerSecond: bytes / seconds }),
  );
}

/** hot: requests and takes everything, and gives the seconds that it took; justified by the upload benchmark. */
async function takeAll(
  connection: Deno.Conn,
  input: ReadBuffer,
  requests: RequestWriter,
  totalBytes: number,
): Promise<number> {
  let takenBytes = 0;
  let isUnchoked = false;
  let startMs = 0;
  while (takenBytes < totalBytes) {
    while (!input.hasMessage()) await input.fill();
    const length = input.view.getUint32(input.begin);
    const id = length > 0 ? input.bytes[input.begin + 4]! : -1;
    input.begin += 4 + length;
    if (id === PIECE) {
      takenBytes += 4 + length - BLOCK_HEADER_BYTES;
      requests.inFlight--;
    } else if (id === UNCHOKE) {
      isUnchoked = true;
      startMs ||= performance.now();
    } else if (id === CHOKE) {
      // What was asked for would have to be asked for again: not what this program measures.
      throw new Error("Cannot go on: the seed choked");
    }
    if (isUnchoked && requests.inFlight * 2 <= requests.pipelineBlocks) {
      await writeAll(connection, requests.next());
    }
  }
  return (performance.now() - startMs) / 1000;
}

/** Writes the requests for all blocks of a torrent, in order, as many at a time as the pipeline takes. */
class RequestWriter {
  readonly pipelineBlocks: number;
  /** Blocks asked for and not yet there. */
  inFlight: number;
  readonly #geometry: Geometry;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #piece: number;
  #begin: number;

  constructor(geometry: Geometry, pipelineBlocks: number) {
    this.pipelineBlocks = pipelineBlocks;
    this.inFlight = 0;
    this.#geometry = geometry;
    this.#bytes = new Uint8Array(REQUEST_BYTES * pipelineBlocks);
    this.#view = new DataView(this.#bytes.buffer);
    this.#piece = 0;
    this.#begin = 0;
  }

  /** Requests that fill the pipeline; valid until the next call. */
  next(): Uint8Array {
    let used = 0;
    while (this.inFlight < this.pipelineBlocks && this.#piece < this.#geometry.pieceCount) {
      const pieceBytes = this.#geometry.pieceBytes(this.#piece);
      const length = Math.min(BLOCK_BYTES, pieceBytes - this.#begin);
      this.#view.setUint32(used, REQUEST_BYTES - 4);
      this.#bytes[used + 4] = REQUEST;
      this.#view.setUint32(used + 5, this.#piece);
      this.#view.setUint32(used + 9, this.#begin);
      this.#view.setUint32(used + 13, length);
      used += REQUEST_BYTES;
      this.inFlight++;
      this.#begin += length;
      if (this.#begin === pieceBytes) {
        this.#begin = 0;
        this.#piece++;
      }
    }
    return this.#bytes.subarray(0, used);
  }
}

if (import.meta.main) await main();
