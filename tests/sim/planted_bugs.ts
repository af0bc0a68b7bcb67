/**
 * Bugs to be found: what the request table of the system before this one did wrong, planted into this one's.
 */
import {
  type BegunPiece,
  MISSING,
  type PeerRequests,
  type ReceiveOutcome,
  REQUESTED,
  RequestTable,
} from "@enjambre/peerwire";

/** The bugs that can be planted. */
export type PlantedBug =
  /** What a peer that leaves had been asked for stays asked of it. */
  | "not given back"
  /** It is given back twice in a row. */
  | "given back twice"
  /** It is given back again when others have been asked for it already. */
  | "given back late again";

/** All of them. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  "not given back",
  "given back twice",
  "given back late again",
];

/** Plants a bug into every request table of this process. @returns what removes it again */
export function plant(bug: PlantedBug): () => void {
  const { prototype } = RequestTable;
  const { close, receive } = prototype;
  let givenBack: BlockOf[] = [];
  prototype.close = function (requests, nowMs): number {
    if (bug === "not given back") return 0;
    const blocks = blocksOf(this, requests);
    const lost = close.call(this, requests, nowMs);
    if (bug === "given back twice") blocks.forEach(giveBackAgain);
    else givenBack.push(...blocks);
    return lost;
  };
  prototype.receive = function (requests, begun, block): ReceiveOutcome {
    const askedAgain = givenBack.filter((lost) => lost.begun.states[lost.block] === REQUESTED);
    askedAgain.forEach(giveBackAgain);
    givenBack = [];
    return receive.call(this, requests, begun, block);
  };
  return () => {
    prototype.close = close;
    prototype.receive = receive;
  };
}

interface BlockOf {
  readonly begun: BegunPiece;
  readonly block: number;
}

function blocksOf(table: RequestTable, requests: PeerRequests): BlockOf[] {
  const blocks: BlockOf[] = [];
  table.forEach(requests, (begun, block, isLate) => {
    if (!isLate) blocks.push({ begun, block });
  });
  return blocks;
}

function giveBackAgain({ begun, block }: BlockOf): void {
  begun.states[block] = MISSING;
  begun.missing++;
}
