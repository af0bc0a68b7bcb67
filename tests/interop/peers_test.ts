/**
 * The programs among themselves, with a torrent and a tracker of others: where one of these fails, the fault is
 * the driver's or the machine's and not ours.
 */
import { FOLDER } from "../kit/content.ts";
import { aria2 } from "./aria2.ts";
import { libtorrent } from "./libtorrent.ts";
import { interopTest, transfer } from "./swarm.ts";
import { mktorrent } from "./torrent_maker.ts";
import { opentracker } from "./tracker_program.ts";
import { transmission } from "./transmission.ts";

for (
  const [seed, leech] of [
    [aria2, libtorrent],
    [libtorrent, aria2],
    [transmission, libtorrent],
    [libtorrent, transmission],
  ] as const
) {
  await interopTest(
    `${leech.name} downloads a folder from ${seed.name} through opentracker`,
    [...seed.requires, ...leech.requires, ...opentracker.requires, ...mktorrent.requires],
    async (scope) => {
      await transfer(scope, seed, leech, {
        content: FOLDER,
        tracker: opentracker,
        maker: mktorrent,
      });
    },
  );
}
