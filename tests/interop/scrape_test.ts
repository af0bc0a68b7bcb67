/** What trackers count against what is true: a seed, a leecher that does not finish, a download that does. */
import { SINGLE_FILE } from "../kit/content.ts";
import { enjambre } from "./enjambre_peer.ts";
import { libtorrent, starveWithLibtorrent } from "./libtorrent.ts";
import { interopTest, setUpSwarm, waitForCounts } from "./swarm.ts";
import { opentracker, ourTracker } from "./tracker_program.ts";

const DOWNLOAD_LIMIT_MS = 30_000;

for (const tracker of [ourTracker, opentracker]) {
  await interopTest(
    `${tracker.name} counts our seed, a leecher of libtorrent and a completed download`,
    [...tracker.requires, ...libtorrent.requires],
    async (scope) => {
      const swarm = await setUpSwarm(scope, { content: SINGLE_FILE, tracker });
      const { torrent, folder, network: { left: place } } = swarm;
      await waitForCounts(swarm, { seeders: 0, leechers: 0, completed: 0 });
      await enjambre.seed({ scope, torrent, folder: swarm.seedFolder, place });
      await waitForCounts(swarm, { seeders: 1, leechers: 0, completed: 0 });
      const starved = await folder.folder("starved");
      await starveWithLibtorrent({ scope, torrent, folder: starved, place });
      await waitForCounts(swarm, { seeders: 1, leechers: 1, completed: 0 });
      // Ours says `completed`, then `stopped`: it is counted once and is no seeder any more.
      const ours = await folder.folder("ours");
      await enjambre.download({ scope, torrent, folder: ours, place }, DOWNLOAD_LIMIT_MS);
      await waitForCounts(swarm, { seeders: 1, leechers: 1, completed: 1 });
      const theirs = await folder.folder("theirs");
      await libtorrent.download({ scope, torrent, folder: theirs, place }, DOWNLOAD_LIMIT_MS);
      await waitForCounts(swarm, { seeders: 1, leechers: 1, completed: 2 });
    },
  );
}
