/**
 * Draws how far something is: one line for a terminal, one for a log.
 *
 * @module
 */
import { unicodeWidth } from "@std/cli/unicode-width";
import { fitText } from "./fit_text.ts";
import { formatBytes, formatCount, formatPercent, formatRate, formatWait } from "./text.ts";

/** How far something is. What is undefined is not shown. */
export interface ProgressView {
  /** What is being done: `Downloading`. */
  readonly doing: string;
  /** How much is done. */
  readonly doneBytes: number;
  /** How much there is to do. */
  readonly totalBytes: number;
  /** What comes in, or is worked through. */
  readonly downBytesPerSecond?: number;
  /** What goes out. */
  readonly upBytesPerSecond?: number;
  /** Live connections. */
  readonly peers?: number;
  /** What has gone out so far. */
  readonly uploadedBytes?: number;
  /** Time left; null where that cannot be said. */
  readonly secondsLeft?: number | null;
  /** What a person should know while it is so, such as a tracker that does not answer. */
  readonly note?: string;
  /** Whether there is an end to reach; without one there is no bar. */
  readonly hasEnd: boolean;
}

/** Columns of the bar at most. */
const BAR_COLUMNS_MAX = 30;
/** A bar that would have fewer columns than this is left out. */
const BAR_COLUMNS_MIN = 8;
/** Columns that a note must have to be worth showing. */
const NOTE_COLUMNS_MIN = 20;
const GAP = "  ";

/**
 * Draws one line that is shorter than `columns`: what is done, a bar, percent, rates, peers and time
 * left. In a narrow terminal the word goes first, then the bar, then what stands last; a note takes their
 * room.
 *
 * With `colour`, the bar has escape sequences, which take no columns.
 */
export function renderLive(view: ProgressView, columns: number, colour: boolean): string {
  // The last column stays free: a terminal may wrap as soon as it is filled.
  const room = columns - 1;
  let fields = fieldsOf(view);
  while (fields.length > 1 && widthOf(fields) > room) fields = fields.slice(0, -1);
  if (widthOf(fields) > room) return fitText(fields.join(GAP), room);
  let left = room - widthOf(fields) - GAP.length;
  let note = "";
  if (view.note !== undefined && left >= NOTE_COLUMNS_MIN) {
    note = GAP + fitText(view.note, left);
    left -= unicodeWidth(note);
  }
  const rest = fields.join(GAP) + note;
  const word = view.doing + GAP;
  const needed = unicodeWidth(word) + (view.hasEnd ? BAR_COLUMNS_MIN + GAP.length : 0);
  const hasWord = left + GAP.length >= needed;
  if (hasWord) left -= unicodeWidth(word);
  const start = hasWord ? word : "";
  if (!view.hasEnd || left < BAR_COLUMNS_MIN) return start + rest;
  return start + drawBar(view, Math.min(BAR_COLUMNS_MAX, left), colour) + GAP + rest;
}

/** Writes one line for a log, which says what is being done. */
export function renderPlain(view: ProgressView): string {
  const fields = fieldsOf(view);
  if (view.hasEnd) {
    const amount = `${formatBytes(view.doneBytes)} of ${formatBytes(view.totalBytes)}`;
    fields.splice(0, 1, fields[0]!.trim(), amount);
  }
  const note = view.note === undefined ? "" : `; ${view.note}`;
  return `${view.doing}: ${fields.join(", ")}${note}`;
}

function fieldsOf(view: ProgressView): string[] {
  const fields: string[] = [];
  const { downBytesPerSecond, upBytesPerSecond, uploadedBytes, peers, secondsLeft } = view;
  if (view.hasEnd) fields.push(formatPercent(view.doneBytes, view.totalBytes).padStart(6));
  if (downBytesPerSecond !== undefined) fields.push(formatRate(downBytesPerSecond));
  if (peers !== undefined) fields.push(formatCount(peers, "peer"));
  if (secondsLeft !== undefined && secondsLeft !== null && view.doneBytes < view.totalBytes) {
    fields.push(`${formatWait(secondsLeft)} left`);
  }
  if (upBytesPerSecond !== undefined) fields.push(`up ${formatRate(upBytesPerSecond)}`);
  if (uploadedBytes !== undefined) fields.push(`${formatBytes(uploadedBytes)} sent`);
  return fields;
}

function widthOf(fields: readonly string[]): number {
  return unicodeWidth(fields.join(GAP));
}

function drawBar(
  { doneBytes, totalBytes }: ProgressView,
  columns: number,
  colour: boolean,
): string {
  const part = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.floor(part * columns);
  const done = "█".repeat(filled);
  const open = "░".repeat(columns - filled);
  return colour ? `\x1b[32m${done}\x1b[0m\x1b[2m${open}\x1b[0m` : done + open;
}
