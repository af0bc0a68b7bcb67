/** What `create` makes against what others make of the same files: info-hashes, and piece hashes where the order differs. */
import { assert, assertEquals } from "@std/assert";
import { type BencodeDict, decode, encode } from "@enjambre/bencode";
import { hexOfHash, parseTorrent, type Torrent, type TorrentFile } from "@enjambre/metainfo";
import { type Content, FOLDER, SINGLE_FILE, writeContent } from "../kit/content.ts";
import { runEnjambre } from "../kit/enjambre.ts";
import type { Scope } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { createWithLibtorrent } from "./libtorrent.ts";
import { interopTest } from "./swarm.ts";
import { mktorrent, transmissionCreate } from "./torrent_maker.ts";

/** Never asked: nothing takes part in a swarm here. */
const TRACKER = "http://tracker.invalid:6969/announce";
/** What the makers of `torrent_maker.ts` are told. */
const PIECE_BYTES = 65_536;
const PIECE_LENGTHS = [16_384, PIECE_BYTES, 1_048_576, 16_777_216];

/** Folders that are laid out in ways of their own: by tree and by path, with files that pieces end in and begin with. */
const FOLDERS: readonly Content[] = [
  FOLDER,
  { name: "single", files: [{ path: "only.bin", bytes: 40_000 }], bytes: 0 },
  { name: "same", files: [{ path: "same", bytes: 5 }, { path: "z", bytes: 0 }], bytes: 0 },
  {
    name: "order",
    files: [
      { path: "a/deep/z", bytes: 70_000 },
      { path: "a-b", bytes: 1 },
      { path: "a.txt", bytes: 65_536 },
      { path: "a/b", bytes: 131_072 },
      { path: ".hidden/x", bytes: 16_385 },
      { path: "\u{1F600}", bytes: 2 },
      { path: "\uFF5E", bytes: 3 },
    ],
    bytes: 0,
  },
];

for (const format of ["v2", "hybrid"] as const) {
  await interopTest(
    `create makes the ${format} torrents of libtorrent`,
    ["libtorrent"],
    async (scope) => {
      const root = await scope.use(TempFolder.make());
      for (const content of [SINGLE_FILE, ...FOLDERS]) {
        const path = await writeContent(root.path, content);
        if (content === FOLDER) await Deno.chmod(`${path}/last.bin`, 0o755);
        for (const pieceLength of PIECE_LENGTHS) {
          const ours = await create(root, path, pieceLength, "--format", format);
          const theirs = await createWithLibtorrent(format, pieceLength, path);
          const what = `${content.name} in pieces of ${pieceLength}`;
          assertEquals(ours.infoHashV2 && hexOfHash(ours.infoHashV2), theirs.infoHashV2, what);
          assertEquals(ours.infoHash && hexOfHash(ours.infoHash), theirs.infoHash, what);
        }
      }
    },
  );
}

await interopTest(
  "create makes the v1 torrent of libtorrent for a file",
  ["libtorrent"],
  async (scope) => {
    const root = await scope.use(TempFolder.make());
    const path = await writeContent(root.path, SINGLE_FILE);
    for (const pieceLength of PIECE_LENGTHS) {
      const ours = await create(root, path, pieceLength);
      const theirs = await createWithLibtorrent("v1", pieceLength, path);
      assertEquals(hexOfHash(ours.infoHash!), theirs.infoHash);
    }
  },
);

for (const maker of [mktorrent, transmissionCreate]) {
  await interopTest(
    `create makes the v1 torrents of ${maker.name}`,
    maker.requires,
    async (scope) => {
      const file = await both(scope, SINGLE_FILE, maker);
      assertEquals(hexOfHash(file.ours.infoHash!), await hashUnlessPrivate(file.theirs));
      for (const content of FOLDERS) {
        const { ours, theirs, path } = await both(scope, content, maker);
        // They order files as they come, so the same files are compared in the order that they have. The one
        // that leaves out empty files leaves out hidden ones too.
        const theirPaths = theirs.geometry.files.map((file) => file.path);
        const isNamed = ({ bytes, path }: TorrentFile): boolean =>
          maker.namesEmptyFiles || bytes > 0 && !path.includes("/.");
        const ourPaths = ours.geometry.files.filter(isNamed).map((file) => file.path);
        assertEquals(theirPaths.toSorted(), ourPaths.toSorted());
        assertEquals(await hashesInOrderOf(theirs, path), hexOfHash(theirs.pieceHashes!));
        assertEquals(await hashesInOrderOf(ours, path), hexOfHash(ours.pieceHashes!));
      }
    },
  );
}

await interopTest("create --align pads as libtorrent reads it, and verify finds all good", [
  "libtorrent",
], async (scope) => {
  const root = await scope.use(TempFolder.make());
  const path = await writeContent(root.path, FOLDER);
  const aligned = await create(root, path, PIECE_BYTES, "--align");
  for (const { bytes, offset, padding } of aligned.geometry.files) {
    assert(bytes === 0 || padding || offset % PIECE_BYTES === 0);
  }
  assert(!aligned.geometry.files.at(-1)!.padding);
  for (const format of ["v1", "v2", "hybrid"]) {
    await create(root, path, PIECE_BYTES, "--align", "--format", format);
    const verified = (await runEnjambre(["verify", root.join("ours.torrent"), root.path])).at(-1)!;
    assertEquals([verified.event, verified.bad], ["verified", []]);
  }
});

/** Makes a torrent with our program. */
async function create(
  root: TempFolder,
  path: string,
  pieceLength: number,
  ...options: string[]
): Promise<Torrent> {
  const torrent = root.join("ours.torrent");
  await Deno.remove(torrent).catch(() => {});
  await runEnjambre([
    ...["create", path, "--output", torrent, "--piece-length", String(pieceLength), ...options],
  ]);
  return await parseTorrent(await Deno.readFile(torrent));
}

/** Makes torrents of one content with both programs. */
async function both(
  scope: Scope,
  content: Content,
  maker: typeof mktorrent,
): Promise<{ ours: Torrent; theirs: Torrent; path: string }> {
  const root = await scope.use(TempFolder.make());
  const path = await writeContent(root.path, content);
  const torrent = root.join("theirs.torrent");
  await maker.make(path, torrent, TRACKER);
  const theirs = await parseTorrent(await Deno.readFile(torrent));
  return { ours: await create(root, path, PIECE_BYTES), theirs, path };
}

/**
 * The v1 info-hash of a torrent without its word that it is not private, where it says so: transmission-create
 * always writes `private`, mktorrent and we only where it is true.
 */
async function hashUnlessPrivate({ infoBytes }: Torrent): Promise<string> {
  const info = decode(infoBytes) as BencodeDict;
  const kept = new Map([...info].filter(([key, value]) => key !== "private" || value !== 0));
  return hexOfHash(new Uint8Array(await crypto.subtle.digest("SHA-1", encode(kept))));
}

/** The piece hashes of the files on disk in the order that a torrent gives them. */
async function hashesInOrderOf({ geometry }: Torrent, path: string): Promise<string> {
  const all = new Uint8Array(geometry.totalBytes);
  for (const file of geometry.files) {
    const inside = file.path.slice(file.path.indexOf("/"));
    all.set(await Deno.readFile(path + inside), file.offset);
  }
  let hashes = "";
  for (let piece = 0; piece < geometry.pieceCount; piece++) {
    const start = piece * geometry.pieceLength;
    const bytes = all.slice(start, start + geometry.pieceBytes(piece));
    hashes += hexOfHash(new Uint8Array(await crypto.subtle.digest("SHA-1", bytes)));
  }
  return hashes;
}
