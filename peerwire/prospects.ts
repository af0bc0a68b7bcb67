/**
 * In which parts of the torrent one peer may have something that we want, and how far it is worth to look for it.
 *
 * @module
 */

import { MarkSet } from "./mark_set.ts";
import { PROBES_MAX, PROBES_MIN } from "./rarity.ts";

/** Pieces that share one mark: eight bytes of a bitfield. */
export const GROUP_PIECES = 64;

/**
 * What the picker remembers of one peer, so that it does not look twice where nothing is: for each level,
 * the groups of {@linkcode GROUP_PIECES} neighbouring pieces in which the peer may have one of that level.
 *
 * A mark that is missing is exact, one that is there is a hope: it goes when the group has been looked
 * through in vain, and comes back with a piece. So each group is looked through in vain once for every piece
 * that came to it, and not once for every pick.
 *
 * Made by `Picker.makeProspects`, changed by the picker alone, kept with the connection. **Cost**: one bit
 * for 64 pieces and level: 600 bytes for 100,000 pieces.
 */
export class Prospects {
  /** By level: the groups in which to look. */
  readonly groups: readonly MarkSet[];
  /** How many of the rarest pieces are looked at for one that this peer has: fewer for one that seldom has any of them. */
  probes: number = PROBES_MAX;
  /** How many pieces the peer had when this was last right; -1 before. */
  pieceCount = -1;
  /** How many arrivals of the picker are in. */
  arrivalCount = 0;

  /** Made by `Picker.makeProspects`. */
  constructor(pieceCount: number, levels: number) {
    const groupCount = Math.ceil(pieceCount / GROUP_PIECES);
    this.groups = Array.from({ length: levels }, () => new MarkSet(groupCount));
  }

  /** Hopes for something everywhere. */
  reset(pieceCount: number, arrivalCount: number): void {
    for (const groups of this.groups) groups.setAll();
    this.pieceCount = pieceCount;
    this.arrivalCount = arrivalCount;
  }

  /** Learns whether a look at the rarest pieces found one that the peer has. */
  learn(isFound: boolean): void {
    this.probes = isFound
      ? Math.min(2 * this.probes, PROBES_MAX)
      : Math.max(this.probes / 2, PROBES_MIN);
  }

  /** Hopes for something around `piece`. */
  mark(level: number, piece: number): void {
    this.groups[level]!.set(Math.floor(piece / GROUP_PIECES));
  }
}
