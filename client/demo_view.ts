/**
 * Draws the demo: one line for each process of the swarm.
 *
 * @module
 */

import { fitText } from "./fit_text.ts";
import { formatCount, formatPercent, formatRate } from "./text.ts";

/** What one process of the demo looks like at one moment. */
export interface DemoMember {
  /** What it is called: `seed`, `leecher 1`. */
  readonly name: string;
  /** Bytes that it has. */
  readonly haveBytes: number;
  /** Bytes of the torrent. */
  readonly totalBytes: number;
  /** Payload coming in. */
  readonly downBytesPerSecond: number;
  /** Payload going out. */
  readonly upBytesPerSecond: number;
  /** Live connections. */
  readonly peers: number;
  /** What it is doing. */
  readonly state: "running" | "complete" | "killed";
}

const NAME_COLUMNS = 9;
const BAR_COLUMNS = 20;
const RATE_COLUMNS = 9;

/** Writes one line for a member, shorter than `columns`. */
export function renderMember(member: DemoMember, columns: number): string {
  const { haveBytes, totalBytes, state } = member;
  const filled = totalBytes === 0 ? 0 : Math.floor(haveBytes / totalBytes * BAR_COLUMNS);
  const bar = "█".repeat(filled) + "░".repeat(BAR_COLUMNS - filled);
  const fields = state === "killed" ? ["killed in the middle"] : [
    `down ${formatRate(member.downBytesPerSecond).padStart(RATE_COLUMNS)}`,
    `up ${formatRate(member.upBytesPerSecond).padStart(RATE_COLUMNS)}`,
    formatCount(member.peers, "peer"),
  ];
  const percent = formatPercent(haveBytes, totalBytes).padStart(6);
  const line = [member.name.padEnd(NAME_COLUMNS), bar, percent, ...fields].join("  ");
  return fitText(line, columns - 1);
}
