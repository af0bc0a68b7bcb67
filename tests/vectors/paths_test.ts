/** Hostile and colliding names of other projects' tests, and what this project makes of each. */
import { assert, assertEquals } from "@std/assert";
import { encode } from "@enjambre/bencode";
import { parseTorrent } from "@enjambre/metainfo";
import { diskNames, type Folding } from "@enjambre/storage";
import { bytesOfHex, readCases, vectorTest } from "./testdata.ts";

/** Parses a v1 torrent named `t` with one piece that has files of these paths. */
async function pathsOf(
  files: readonly { path: readonly (string | Uint8Array)[]; pad?: boolean }[],
  windows: boolean = false,
): Promise<string[]> {
  const info = {
    name: "t",
    "piece length": 16384,
    pieces: new Uint8Array(20),
    files: files.map(({ path, pad }) => ({ length: 1, path, attr: pad ? "p" : undefined })),
  };
  const torrent = await parseTorrent(encode({ info }), { windows });
  return torrent.geometry.files.map((file) => file.path);
}

const TRAILING =
  "Windows drops dots and spaces at the end and finds another file: they go anywhere";
const BROKEN = "broken UTF-8 becomes U+FFFD, one for each part that begins like a character";
const DROPPED = "a . or .. is dropped, never replaced";

/**
 * Answers other than libtorrent's on POSIX, by case; one entry serves a case and its `f-` twin (in
 * which that project replaces what it drops otherwise).
 */
const SANITIZED: Record<string, { ours: string; why: string }> = {
  "trail-dots": { ours: "abc", why: TRAILING },
  "trail-dot": { ours: "abc", why: TRAILING },
  "trail-dots-spaces": { ours: "a", why: TRAILING },
  "trail-spaces-mid": { ours: "a/abc/c", why: TRAILING },
  "trail-spaces": { ours: "abc", why: TRAILING },
  "trail-space": { ours: "abc", why: TRAILING },
  "all-filtered": { ours: "_", why: "a file has to have a name" },
  "utf2-cut": { ours: "filename\ufffd", why: BROKEN },
  "utf3-cut2": { ours: "filename\ufffd", why: BROKEN },
  "utf3-cut1": { ours: "filename\ufffd", why: BROKEN },
  "utf5": { ours: "filename\ufffd\ufffd\ufffd\ufffd\ufffdfoobar", why: BROKEN },
  "overlong2": { ours: "filename\ufffd\ufffd", why: BROKEN },
  "overlong3": { ours: "filename\ufffd\ufffd\ufffd", why: BROKEN },
  "trunc-utf": {
    ours: "abcdefghi_".repeat(23) + "abcdefghi\u2014abcde.jpg",
    why:
      "the name stays as it is, and the store has it too: 251 bytes are a name that file systems hold",
  },
  "f-dotdot-mid": { ours: "a/c", why: DROPPED },
  "f-dotdot-end": { ours: "a", why: DROPPED },
  "f-drive-dot": { ours: "c:/c", why: DROPPED },
};

for (const test of readCases("vectors/path_sanitize.json")) {
  vectorTest(`safe path of ${test.id}`, async () => {
    const path: Uint8Array[] = test.elements_hex.map(bytesOfHex);
    const decision = SANITIZED[test.id] ?? SANITIZED[test.id.replace(/^f-/, "")];
    const differs = decision !== undefined && decision.ours !== test.expect;
    assertEquals(await pathsOf([{ path }]), ["t/" + (differs ? decision.ours : test.expect)]);
    if (test.windows === undefined) return;
    assertEquals(await pathsOf([{ path }], true), ["t/" + test.windows]);
  });
}

/** A file system that tells all names apart. */
const POSIX: Folding = { cases: false, forms: false };
/** One that takes names for one that differ in case or Unicode form only. */
const FOLDING: Folding = { cases: true, forms: true };

/** What lands on disk of paths that came out of a torrent. */
function onDisk(paths: readonly string[], folding: Folding): readonly string[] {
  return diskNames(paths.map((path) => ({ path, padding: false })), folding).paths;
}

vectorTest(
  "safe path of trunc-utf, made longer, is cut by the store between characters",
  async () => {
    const test = readCases("vectors/path_sanitize.json").find(({ id }) => id === "trunc-utf")!;
    const [name] = test.elements_hex.map(bytesOfHex) as Uint8Array<ArrayBuffer>[];
    const [stated] = await pathsOf([{ path: [name!] }]);
    for (const folding of [POSIX, FOLDING]) assertEquals(onDisk([stated!], folding), [stated!]);
    // The dash, of three bytes, at each place that a cut can hit.
    for (let bytes = 0; bytes < 20; bytes++) {
      const longer = stated!.replace(
        "abcdefghi\u2014",
        `${"a".repeat(bytes)}\u2014${"b".repeat(40)}`,
      );
      for (const folding of [POSIX, FOLDING]) {
        const cut = onDisk([longer], folding)[0]!.slice("t/".length);
        assert(new TextEncoder().encode(cut).length <= 255 && cut.endsWith(".jpg"), cut);
        const stem = cut.replace(/~[0-9a-f]{8}\.jpg$/, "");
        assert(stem !== cut && longer.startsWith(`t/${stem}`), cut);
      }
    }
  },
);

/** Answers other than libtorrent's. */
const RESOLVED: Record<string, { ours: string[]; why: string }> = {
  "lt-pad-3": {
    ours: ["t/.pad/1234.1", "t/filler-1", "t/.pad/1234", "t/filler-2"],
    why: "padding is on no disk and never renames a file that is",
  },
};

/** Cases whose names differ, in case only: on most file systems they stay as they are. */
const FOLDED_ONLY = ["lt-dup-0", "lt-dup-1"];

for (const test of readCases("vectors/resolve_duplicates.json")) {
  vectorTest(`paths of ${test.id} are all different`, async () => {
    const files = test.files.map((file: { path: string; pad?: boolean }) => ({
      path: file.path.split("/").slice(1),
      pad: file.pad ?? false,
    }));
    const due = RESOLVED[test.id]?.ours ??
      test.expect.map((path: string) => path.replace(/^test\//, "t/"));
    // Decided: names that only fold together are kept apart by the store, where the file system folds.
    const paths = await pathsOf(files);
    if (files.some((file: { pad: boolean }) => file.pad)) return assertEquals(paths, due);
    assertEquals(onDisk(paths, FOLDING), due);
    const stated = files.map((file: { path: string[] }) => `t/${file.path.join("/")}`);
    assertEquals(onDisk(paths, POSIX), FOLDED_ONLY.includes(test.id) ? stated : due);
  });
}

vectorTest("paths: the tables of decisions name only cases that are there", () => {
  const ids = [
    ...readCases("vectors/path_sanitize.json"),
    ...readCases("vectors/resolve_duplicates.json"),
  ].map((test) => test.id);
  for (const id of [...Object.keys({ ...SANITIZED, ...RESOLVED }), ...FOLDED_ONLY]) {
    assert(ids.includes(id), id);
  }
});
