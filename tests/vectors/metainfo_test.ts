/**
 * Torrent files that other projects made, and what must come out of each.
 *
 * The facts are those that libtorrent 2.0.8 computed, an independent parser's hashes of the raw bytes,
 * and what the projects' own tests assert. Where this project decides otherwise, the table says so;
 * a difference that the table does not list fails the test, and so does an entry that is not needed.
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { hexOfHash, parseTorrent, type Torrent, TorrentSyntaxError } from "@enjambre/metainfo";
import { diskNames } from "@enjambre/storage";
import { bytesOfHex, readCases, readTestdata, type VectorCase, vectorTest } from "./testdata.ts";

const FOLDERS = ["libtorrent", "webtorrent", "other/anacrolix", "other/rqbit"];

/** Stands for the path of padding: it is on no disk, and projects name it as they like. */
const PADDING = ".pad";

/** A fact that comes out otherwise than the case states. */
type Difference = { fact: string; ours: unknown; why: string };

/** What the cases state and this project does not read, or compares under another name. */
const UNREAD: ReadonlySet<string> = new Set([
  "collections", // BEP 38
  "similar", // BEP 38
  "files_count",
  "files_truncated",
  "note",
  "nodes", // URLs where BEP 5 has hosts
  "magnet_round_trip", // of links, see magnet_test.ts
  "reencoded_info_equals_raw", // of encode(), see the tests of bencode
  "file_path", // of newer libtorrent and hostile names: see checkPaths()
  "file_path[1]",
]);

/** Refused here although the case is of class `policy` or `hostile-path`: both answers are allowed. */
const REFUSED: Record<string, string> = {
  "many_pieces.torrent": "107 million pieces are beyond PIECES_MAX, as libtorrent has it",
  "invalid_name2.torrent": "a torrent named .. has no name to show or to store it under",
  "v2_no_piece_layers.torrent": "BEP 52 requires piece layers; parseInfo() takes them missing",
  "v2_incomplete_piece_layer.torrent": "BEP 52 requires a layer for each file above a piece",
};

/** Accepted here although of class `policy`. */
const ACCEPTED: Record<string, string> = {
  "zero.torrent": "BEP 3 allows an empty file, and a torrent of nothing else is one of no pieces",
  "zero2.torrent": "as zero.torrent, with several empty files",
};

/** The 300 bytes of `long_name.torrent`. */
const LONG_NAME = "abcdefghij0123456789".repeat(14) + "abcdefghij0.23456789";

/** Facts that come out otherwise than in libtorrent 2.0.8, by file. */
const DIFFERENCES: Record<string, Difference[]> = {
  "long_name.torrent": [{
    fact: "name",
    ours: LONG_NAME,
    why:
      "the name stays as it is; the store cuts it to what the file system holds: see checkPaths()",
  }, {
    fact: "files",
    ours: [[LONG_NAME, 425, 0]],
    why: "as its name",
  }],
  "sample.torrent": [{
    fact: "trackers",
    ours: [["udp://tracker.opentracker.com:80/announce", 0]],
    why: "a tracker without a scheme is no URL",
  }],
  "leaves-duplicate-tracker.torrent": [{
    fact: "trackers",
    ours: [["http://tracker.example.com/announce", 0]],
    why: "one tracker is asked once, as webtorrent's own test has it",
  }],
  "v2_invalid_filename.torrent": [{
    fact: "name",
    ours: "\ufffdestMB",
    why: "bytes that are no UTF-8 become U+FFFD here, _ in libtorrent",
  }, {
    fact: "files",
    ours: [["\ufffdestMB", 1048576, 0]],
    why: "as its name",
  }],
  "v2_invalid_filename2.torrent": [{
    fact: "files",
    ours: [["test/_", 1048576, 0], ["test/_.1", 1048576, 1048576], [
      "test/stress_test2",
      1048576,
      2097152,
    ]],
    why: "as newer libtorrent; in 2.0.8 a file has the torrent's folder as its path",
  }],
};

/** The facts of a torrent in the shape in which libtorrent's are stated. */
function factsOf(torrent: Torrent): Record<string, unknown> {
  const { geometry } = torrent;
  return {
    infohash_v1: torrent.infoHash && hexOfHash(torrent.infoHash),
    infohash_v2: torrent.infoHashV2 && hexOfHash(torrent.infoHashV2),
    name: torrent.name,
    piece_length: geometry.pieceLength,
    num_pieces: geometry.pieceCount,
    total_size: geometry.totalBytes,
    private: torrent.private,
    files: geometry.files.map((file) => [
      file.padding ? PADDING : file.path,
      file.bytes,
      file.offset,
    ]),
    flags: geometry.files.map((file) => [file.padding, file.executable, file.symlink]),
    roots: torrent.fileRoots.map((root) => root && hexOfHash(root)),
    trackers: torrent.trackers.flatMap((tier, i) => tier.map((url) => [url, i])),
    url_seeds: torrent.webSeeds,
    http_seeds: torrent.httpSeeds,
    dht_nodes: torrent.nodes.map((node) => [node.host, node.port]),
    creation_date: torrent.creationDateSeconds,
    comment: torrent.comment,
    created_by: torrent.createdBy,
  };
}

// deno-lint-ignore no-explicit-any -- the shape is that of the file
function factsOfCase(stated: any): Record<string, unknown> {
  const facts: Record<string, unknown> = {};
  for (const key of Object.keys(stated)) {
    if (key !== "verdict" && key !== "files") facts[key] = stated[key];
  }
  const files: VectorCase[] = stated.files;
  facts.files = files.map((file) => [file.pad ? PADDING : file.path, file.size, file.offset]);
  facts.flags = files.map((file) => [
    file.pad ?? false,
    file.executable ?? false,
    file.symlink ?? null,
  ]);
  facts.roots = files.map((file) => file.pieces_root ?? null);
  return facts;
}

for (const folder of FOLDERS) {
  for (const test of readCases(`${folder}/expectations.json`)) {
    vectorTest(`parseTorrent() of ${folder}/${test.file} (${test.class})`, async () => {
      const bytes = readTestdata(`${folder}/${test.file}`);
      const mayRefuse = test.class === "policy" || test.class === "hostile-path";
      if (test.class === "invalid" || (mayRefuse && test.file in REFUSED)) {
        const error = await assertRejects(() => parseTorrent(bytes), TorrentSyntaxError);
        assertMatch(error.message, /^Cannot read torrent: .+ \(at byte \d+\)$/);
        assert(error.offset >= 0 && error.offset <= bytes.length);
        return;
      }
      assert(test.class !== "policy" || test.file in ACCEPTED, "a policy case needs a decision");
      const torrent = await parseTorrent(bytes);
      checkPaths(torrent);
      checkRawHashes(torrent, test);
      if (test.libtorrent_2_0_8.verdict !== "ok") return;
      checkFacts(torrent, test);
      checkAsserts(torrent, test);
    });
  }
}

/**
 * Nothing leaves the folder, and never two files have one path, as file systems compare them. Decided:
 * what lands on disk counts, as some file systems tell names apart and hold longer ones than others.
 */
function checkPaths({ geometry: { files } }: Torrent): void {
  const stated = files.map(({ path }) => path);
  assertEquals(new Set(stated).size, stated.length);
  for (const folds of [false, true]) {
    const { paths } = diskNames(files, { cases: folds, forms: folds });
    checkDiskPaths(paths.filter((_, i) => !files[i]!.padding), folds);
    // Padding is on no disk; it keeps the path that it has.
    checkDiskPaths(stated.filter((_, i) => files[i]!.padding), false);
  }
}

function checkDiskPaths(paths: readonly string[], folds: boolean): void {
  const seen = new Set<string>();
  for (const path of paths) {
    for (const name of path.split("/")) {
      assert(name !== "" && name !== "." && name !== "..", path);
      assert(!/[\p{Cc}\p{Cf}\\]/u.test(name), path);
      assert(new TextEncoder().encode(name).length <= 255, path);
    }
    const folded = folds ? path.normalize("NFC").toLowerCase() : path;
    assert(!seen.has(folded), `two files have the path ${path}`);
    seen.add(folded);
  }
}

function checkRawHashes(torrent: Torrent, test: VectorCase): void {
  const { sha1_of_raw_info, sha256_of_raw_info } = test.independent;
  if (torrent.infoHash !== null) assertEquals(hexOfHash(torrent.infoHash), sha1_of_raw_info);
  if (torrent.infoHashV2 !== null) assertEquals(hexOfHash(torrent.infoHashV2), sha256_of_raw_info);
  const [, length] = test.independent.info_span;
  assertEquals(torrent.infoBytes.length, length);
}

function checkFacts(torrent: Torrent, test: VectorCase): void {
  const ours = factsOf(torrent);
  const theirs = factsOfCase(test.libtorrent_2_0_8);
  const differences = DIFFERENCES[test.file] ?? [];
  for (const fact of Object.keys(theirs)) {
    if (!(fact in ours)) {
      assert(UNREAD.has(fact), `${fact} is stated and not compared`);
      continue;
    }
    if (theirs.files_truncated === true && ["files", "flags", "roots"].includes(fact)) {
      ours[fact] = (ours[fact] as unknown[]).slice(0, (theirs[fact] as unknown[]).length);
    }
    const difference = differences.find((d) => d.fact === fact);
    if (difference === undefined) {
      assertEquals({ [fact]: ours[fact] }, { [fact]: theirs[fact] });
    } else {
      assertEquals({ [fact]: ours[fact] }, { [fact]: difference.ours }, difference.why);
      assert(
        JSON.stringify(ours[fact]) !== JSON.stringify(theirs[fact]),
        `difference in ${fact} is listed but not there`,
      );
    }
  }
}
/** What the project's own tests assert, as far as it says more than the facts. */
function checkAsserts(torrent: Torrent, test: VectorCase): void {
  const asserts: Record<string, unknown> = test.upstream?.asserts ?? {};
  const { files } = torrent.geometry;
  const ours: Record<string, unknown> = {
    ...factsOf(torrent),
    num_files: files.length,
    file_size: files.map((file) => file.bytes),
    has_v1: torrent.infoHash !== null,
    has_v2: torrent.infoHashV2 !== null,
    trackers: torrent.trackers.flat(),
    "trackers[0]": torrent.trackers[0]?.[0],
    trackers_after_dedupe: torrent.trackers.flat(),
    url_seeds_count: torrent.webSeeds.length,
    total_size: torrent.geometry.totalBytes,
    pieces_root: torrent.fileRoots.map((root) => root && hexOfHash(root)),
    "renamed[1]": files[1]?.path,
    num_files_more_than: files.length > (asserts.num_files_more_than as number)
      ? asserts.num_files_more_than
      : files.length,
  };
  files.forEach((file, i) => ours[`symlink[${i}]`] = file.symlink);
  for (const [key, value] of Object.entries(asserts)) {
    if (!(key in ours)) {
      assert(UNREAD.has(key), `${key} is asserted and not compared`);
    } else if (!(DIFFERENCES[test.file] ?? []).some((d) => d.fact === key)) {
      assertEquals({ [key]: ours[key] }, { [key]: value });
    }
  }
}

vectorTest("torrent files: the tables of decisions name only files that are there", () => {
  const files = FOLDERS.flatMap((folder) => readCases(`${folder}/expectations.json`))
    .map((test) => test.file);
  for (const file of Object.keys({ ...REFUSED, ...ACCEPTED, ...DIFFERENCES })) {
    assert(files.includes(file), file);
  }
});

/** How the inline bodies end where the case leaves it open, or states what this project does not do. */
const INLINE: Record<string, { ok: boolean; why: string }> = {
  "a2-traversal-multi": { ok: true, why: "the names are made safe" },
  "a2-traversal-single": { ok: true, why: "the name is made safe" },
  "an-unmarshal-0": { ok: false, why: "it has no info dictionary" },
  "an-date-string": {
    ok: false,
    why: "its info dictionary is empty; the date is tested elsewhere",
  },
};

for (const test of readCases("vectors/metainfo_inline.json")) {
  vectorTest(`parseTorrent() of metainfo_inline ${test.id} (${test.verdict})`, async () => {
    const bytes = bytesOfHex(test.body_hex);
    const decision = INLINE[test.id];
    assert(decision !== undefined || /^(ok|error)$/.test(test.verdict), "needs a decision");
    if (!(decision?.ok ?? test.verdict === "ok")) {
      await assertRejects(() => parseTorrent(bytes), TorrentSyntaxError);
      return;
    }
    const torrent = await parseTorrent(bytes);
    checkPaths(torrent);
    for (const [fact, value] of Object.entries(test.expect ?? {})) {
      if (fact === "path_in_aria2") {
        // Bytes that are no UTF-8 become U+FFFD here; aria2 escapes them.
        assertEquals(torrent.geometry.files[0]?.path, "_$B%O%m!<_(B/path/\ufffd\ufffd\ufffdE");
      } else if (fact === "url_seeds_count") assertEquals(torrent.webSeeds.length, value);
      else if (fact === "nodes") assertEquals(factsOf(torrent).dht_nodes, value);
      else assertEquals(factsOf(torrent)[fact], value);
    }
  });
}
