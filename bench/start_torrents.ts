/**
 * Measures how long it takes to open many torrents whose resume data agree with their files.
 *
 * `deno run -A bench/start_torrents.ts [--torrents 1000] [--files 5] [--lanes 16] [--rounds 3]`
 *
 * Downloads them from a generator, then opens them anew in processes of their own, so that nothing is warm but the
 * disk's cache.
 */
import { parseArgs } from "@std/cli/parse-args";
import { buildTorrent, parseTorrent, type Torrent } from "@enjambre/metainfo";
import { type KeptStore, openKeptStore } from "@enjambre/storage";
import { pseudoRandomBytes } from "../tests/kit/content.ts";
import { TempFolder } from "../tests/kit/temp_folder.ts";

const PIECE_LENGTH = 16 * 1024;
/** Every file ends in mid-piece. */
const FILE_BYTES = 50_000;

interface Options {
  readonly torrents: number;
  readonly files: number;
  readonly lanes: number;
  readonly rounds: number;
}

/** What opening them took. */
interface Measured {
  readonly parseMs: number;
  readonly openMs: number;
  readonly closeMs: number;
}

if (import.meta.main) {
  const args = parseArgs(Deno.args, {
    string: ["measure", "torrents", "files", "lanes", "rounds"],
    default: { torrents: "1000", files: "5", lanes: "16", rounds: "3" },
  });
  const options: Options = {
    torrents: Number(args.torrents),
    files: Number(args.files),
    lanes: Number(args.lanes),
    rounds: Number(args.rounds),
  };
  if (args.measure !== undefined) console.log(JSON.stringify(await measure(args.measure, options)));
  else await compare(options);
}

/** Makes them, and opens them in new processes. */
async function compare(options: Options): Promise<void> {
  await using folder = await TempFolder.make();
  await inLanes(options, (i) => downloadOne(folder.path, i, options.files));
  const { torrents, files, lanes, rounds } = options;
  console.log(`${torrents} torrents of ${files} files, ${lanes} opened at a time`);
  for (let round = 0; round < rounds; round++) {
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-check",
        import.meta.filename!,
        "--measure",
        folder.path,
        ...Deno.args,
      ],
      stderr: "inherit",
    }).output();
    if (!success) throw new Error("Cannot measure");
    const { parseMs, openMs, closeMs }: Measured = JSON.parse(new TextDecoder().decode(stdout));
    console.log(
      `  parsed in ${parseMs.toFixed(0)} ms, opened in ${openMs.toFixed(0)} ms, ` +
        `closed in ${closeMs.toFixed(0)} ms`,
    );
  }
}

/** Opens all of them in this process. */
async function measure(folder: string, options: Options): Promise<Measured> {
  const torrents: Torrent[] = [];
  const startMs = performance.now();
  await inLanes(options, async (i) => {
    torrents[i] = await parseTorrent(await Deno.readFile(`${folder}/${i}.torrent`));
  });
  const parsedMs = performance.now();
  const stores: KeptStore[] = [];
  await inLanes(options, async (i) => {
    stores[i] = await open(torrents[i]!, folder);
    let good = 0;
    await stores[i]!.check({ onPiece: (_, isGood) => void (good += Number(isGood)) });
    if (good < torrents[i]!.geometry.pieceCount) throw new Error(`Torrent ${i} is not complete`);
  });
  const openedMs = performance.now();
  await inLanes(options, (i) => stores[i]!.close());
  const closedMs = performance.now();
  return { parseMs: parsedMs - startMs, openMs: openedMs - parsedMs, closeMs: closedMs - openedMs };
}

function open(torrent: Torrent, folder: string): Promise<KeptStore> {
  return openKeptStore(torrent, `${folder}/downloads`, { stateDirectory: `${folder}/state` });
}

async function downloadOne(folder: string, i: number, fileCount: number): Promise<void> {
  const files = Array.from({ length: fileCount }, (_, file) => ({
    path: [`${file}.bin`],
    bytes: FILE_BYTES,
  }));
  const content = pseudoRandomBytes(fileCount * FILE_BYTES, i + 1);
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let start = 0; start < content.length; start += PIECE_LENGTH) {
    pieces.push(content.subarray(start, start + PIECE_LENGTH));
  }
  const pieceHashes = new Uint8Array(20 * pieces.length);
  for (const [piece, data] of pieces.entries()) {
    pieceHashes.set(new Uint8Array(await crypto.subtle.digest("SHA-1", data)), 20 * piece);
  }
  const name = `torrent ${i}`;
  const bytes = buildTorrent({ name, files, pieceLength: PIECE_LENGTH, pieceHashes });
  await Deno.writeFile(`${folder}/${i}.torrent`, bytes);
  const store = await open(await parseTorrent(bytes), folder);
  await store.check();
  for (const [piece, data] of pieces.entries()) await store.write(piece, data);
  await store.close();
}

/** Does something for each torrent, several at a time. */
async function inLanes(
  { torrents, lanes }: Options,
  act: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < torrents) await act(next++);
  };
  await Promise.all(Array.from({ length: lanes }, run));
}
