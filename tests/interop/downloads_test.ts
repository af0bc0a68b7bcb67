/** Our `download` from the seeds that people use, found through opentracker. */
import { FOLDER, SINGLE_FILE } from "../kit/content.ts";
import { aria2 } from "./aria2.ts";
import { enjambre } from "./enjambre_peer.ts";
import { libtorrent } from "./libtorrent.ts";
import { interopTest, transfer, transferEach } from "./swarm.ts";
import { mktorrent, transmissionCreate } from "./torrent_maker.ts";
import { opentracker } from "./tracker_program.ts";
import { transmission } from "./transmission.ts";

for (const seed of [aria2, libtorrent, transmission]) {
  await interopTest(
    `download takes a file and a folder from ${seed.name} found through opentracker`,
    [...seed.requires, ...opentracker.requires],
    async (scope) => {
      await transferEach(scope, seed, enjambre, [SINGLE_FILE, FOLDER], { tracker: opentracker });
    },
  );
}

for (const maker of [mktorrent, transmissionCreate]) {
  await interopTest(
    `download takes a folder by a torrent that ${maker.name} made`,
    [...maker.requires, ...libtorrent.requires, ...opentracker.requires],
    async (scope) => {
      await transfer(scope, libtorrent, enjambre, {
        content: FOLDER,
        tracker: opentracker,
        maker,
      });
    },
  );
}
