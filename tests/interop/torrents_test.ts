/** What `show` says of a torrent against what libtorrent reads in it, whoever made it. */
import { assertEquals } from "@std/assert";
import { type Content, FOLDER, SINGLE_FILE, writeContent } from "../kit/content.ts";
import { runEnjambre } from "../kit/enjambre.ts";
import type { Scope } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { factsFromLibtorrent } from "./libtorrent.ts";
import { interopTest } from "./swarm.ts";
import { mktorrent, ourCreate, type TorrentMaker, transmissionCreate } from "./torrent_maker.ts";

/** Never asked: nothing takes part in a swarm here. */
const TRACKER = "http://tracker.invalid:6969/announce";
/** The facts that `show --json` promises. */
const FACTS = [
  "name",
  "infoHash",
  "infoHashV2",
  "pieceLength",
  "pieceCount",
  "totalBytes",
  "private",
  "files",
  "trackers",
] as const;

for (const maker of [ourCreate, mktorrent, transmissionCreate]) {
  await interopTest(
    `show says of a torrent by ${maker.name} what libtorrent says`,
    [...maker.requires, "libtorrent"],
    async (scope) => {
      await compareFacts(scope, maker, SINGLE_FILE);
      await compareFacts(scope, maker, FOLDER);
    },
  );
}

await interopTest(
  "create makes a private torrent with tiers and a comment as libtorrent reads them",
  ["libtorrent"],
  async (scope) => {
    const folder = await scope.use(TempFolder.make());
    const content = await writeContent(folder.path, FOLDER);
    const torrent = folder.join("private.torrent");
    const trackers = [TRACKER, "http://second.invalid/announce", "udp://third.invalid:80/announce"];
    await runEnjambre([
      ...["create", content, "--output", torrent, "--private", "--comment", "ñ and 文"],
      ...trackers.flatMap((url) => ["--tracker", url]),
    ]);
    const facts = await factsFromLibtorrent(torrent);
    assertEquals(facts.private, true);
    assertEquals(facts.comment, "ñ and 文");
    assertEquals(facts.trackers, trackers.map((url) => [url]));
  },
);

async function compareFacts(scope: Scope, maker: TorrentMaker, spec: Content): Promise<void> {
  const folder = await scope.use(TempFolder.make());
  const content = await writeContent(folder.path, spec);
  const torrent = folder.join("content.torrent");
  await maker.make(content, torrent, TRACKER);
  const ours = (await runEnjambre(["show", torrent])).at(-1)!;
  const theirs = await factsFromLibtorrent(torrent);
  for (const fact of FACTS) assertEquals(ours[fact], theirs[fact], `${fact} of ${spec.name}`);
}
