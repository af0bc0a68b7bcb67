import { startEnjambre } from "../kit/enjambre.ts";
import { type PeerProgram, type PeerTask, READY_LIMIT_MS } from "./peer_program.ts";

/** Our command line as a peer: `seed` and `download`. */
export const enjambre: PeerProgram = {
  name: "enjambre",
  requires: [],
  needsNamespaces: false,
  makesEmptyFiles: true,
  async seed({ scope, torrent, folder, place }: PeerTask): Promise<void> {
    const process = await scope.use(
      startEnjambre(["seed", torrent, "--archives", folder, "--port", "0"], place),
    );
    await process.waitForEvent("listening", READY_LIMIT_MS);
  },
  async download(
    { scope, torrent, folder, place }: PeerTask,
    limitMs: number,
  ): Promise<void> {
    const process = await scope.use(
      startEnjambre(["download", torrent, "--output", folder, "--port", "0"], place),
    );
    await process.waitForEvent("complete", limitMs);
    await process.waitForSuccess(limitMs);
  },
};
