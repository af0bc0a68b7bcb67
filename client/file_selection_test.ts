import { assertEquals, assertThrows } from "@std/assert";
import type { TorrentFile } from "@enjambre/metainfo";
import { CommandFailure } from "./failure.ts";
import { chooseFiles } from "./file_selection_deno.ts";

function file(path: string, padding: boolean = false): TorrentFile {
  return { path, bytes: 1, offset: 0, padding, executable: false, symlink: null };
}

const ALBUM = [
  file("album/01 Intro.flac"),
  file("album/.pad/1", true),
  file("album/02 Song.flac"),
  file("album/art/front.jpg"),
  file("album/art/small/front.jpg"),
];

/** The paths that a choice wants. */
function chosen(select: string[], exclude: string[] = []): string[] {
  const priorities = chooseFiles(ALBUM, { select, exclude });
  return ALBUM.filter((_, i) => priorities[i]! > 0).map(({ path }) => path.slice("album/".length));
}

Deno.test("chooseFiles() takes all files but padding where nothing is said", () => {
  assertEquals(chosen([]).length, 4);
});

Deno.test("chooseFiles() matches a glob without a slash with names in any folder", () => {
  assertEquals(chosen(["*.flac"]), ["01 Intro.flac", "02 Song.flac"]);
  assertEquals(chosen(["front.*"]), ["art/front.jpg", "art/small/front.jpg"]);
});

Deno.test("chooseFiles() matches a glob with a slash with the path below the torrent's folder, or with all of it", () => {
  assertEquals(chosen(["art/*"]), ["art/front.jpg"]);
  assertEquals(chosen(["art/**"]), ["art/front.jpg", "art/small/front.jpg"]);
  assertEquals(chosen(["album/art/*"]), ["art/front.jpg"]);
});

Deno.test("chooseFiles() takes numbers and ranges as show numbers the files, without padding", () => {
  assertEquals(chosen(["2"]), ["02 Song.flac"]);
  assertEquals(chosen(["1,3-"]), ["01 Intro.flac", "art/front.jpg", "art/small/front.jpg"]);
  assertEquals(chosen(["2-3"]), ["02 Song.flac", "art/front.jpg"]);
});

Deno.test("chooseFiles() excludes after it selects", () => {
  assertEquals(chosen([], ["*.jpg"]), ["01 Intro.flac", "02 Song.flac"]);
  assertEquals(chosen(["*.flac"], ["1"]), ["02 Song.flac"]);
});

Deno.test("chooseFiles() refuses what fits no file, and a choice of nothing", () => {
  const refuses = (select: string[], exclude: string[], says: string): void => {
    assertThrows(() => chosen(select, exclude), CommandFailure, says);
  };
  refuses(["*.mp3"], [], '--select "*.mp3" fits no file');
  refuses(["5"], [], "the torrent has 4 files, numbered from 1");
  refuses(["0"], [], "numbered from 1");
  refuses(["3-2"], [], '--select is "3-2"');
  refuses([], ["*"], "leave no file");
});

Deno.test("chooseFiles() of a torrent of one file matches its name", () => {
  const one = [file("debian.iso")];
  assertEquals([...chooseFiles(one, { select: ["*.iso"], exclude: [] })], [2]);
});
