/** The programs that people use download from our `seed`, found through our tracker and through opentracker. */
import { FOLDER, SINGLE_FILE } from "../kit/content.ts";
import { aria2 } from "./aria2.ts";
import { enjambre } from "./enjambre_peer.ts";
import { libtorrent } from "./libtorrent.ts";
import { interopTest, transferEach } from "./swarm.ts";
import { opentracker, ourTracker } from "./tracker_program.ts";
import { transmission } from "./transmission.ts";

for (const leech of [aria2, libtorrent, transmission]) {
  for (const tracker of [ourTracker, opentracker]) {
    await interopTest(
      `seed gives a file and a folder to ${leech.name}, found through ${tracker.name}`,
      [...leech.requires, ...tracker.requires],
      async (scope) => {
        await transferEach(scope, enjambre, leech, [SINGLE_FILE, FOLDER], { tracker });
      },
    );
  }
}

for (const tracker of [ourTracker, opentracker]) {
  await interopTest(
    `seed gives a file and a folder to our download, found through ${tracker.name}`,
    tracker.requires,
    async (scope) => {
      await transferEach(scope, enjambre, enjambre, [SINGLE_FILE, FOLDER], { tracker });
    },
  );
}
