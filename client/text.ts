/**
 * Text for people: what came from outside made harmless, sizes, rates and durations.
 *
 * @module
 */
import { printableText } from "@enjambre/metainfo";

/** Characters of one stretch of foreign text that are shown. */
export const SHOWN_CHARACTERS_MAX = 200;

/**
 * Makes text that came from outside (names, failure reasons, client ids) fit to be shown on one line:
 * control characters and line separators become spaces, invisible format characters go, and what is
 * longer than {@link SHOWN_CHARACTERS_MAX} is cut.
 */
export function shown(text: string): string {
  const clean = printableText(text.slice(0, 4 * SHOWN_CHARACTERS_MAX)).trim();
  return clean.length <= SHOWN_CHARACTERS_MAX
    ? clean
    : clean.slice(0, SHOWN_CHARACTERS_MAX - 1) + "…";
}

/** Takes control characters out of text of several lines, line feeds apart. */
export function withoutControls(text: string): string {
  return text.split("\n").map((line) => printableText(line)).join("\n");
}

/** Writes a size in decimal units, three digits at least: `512 bytes`, `28.9 MB`, `1.07 GB`. */
export function formatBytes(bytes: number): string {
  if (bytes === 1) return "1 byte";
  if (bytes < 1000) return `${Math.round(bytes)} bytes`;
  return scaled(bytes);
}

/** Writes a rate: `0 kB/s`, `312 kB/s`, `28.9 MB/s`. */
export function formatRate(bytesPerSecond: number): string {
  if (bytesPerSecond < 1000) {
    return `${(bytesPerSecond / 1000).toFixed(bytesPerSecond < 50 ? 0 : 1)} kB/s`;
  }
  return `${scaled(bytesPerSecond)}/s`;
}

/** Writes a piece length, which is a power of two, in binary units: `16 KiB`, `1 MiB`. */
export function formatPieceLength(bytes: number): string {
  if (bytes % 2 ** 20 === 0) return `${bytes / 2 ** 20} MiB`;
  return bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} bytes`;
}

/** Writes a duration in its two greatest units: `48 ms`, `4.2 s`, `45 s`, `1 m 20 s`, `2 h 5 m`, `3 d 4 h`. */
export function formatDuration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Writes how long something will take: as {@link formatDuration}, in whole seconds, rounded up. */
export function formatWait(seconds: number): string {
  return seconds <= 59
    ? `${Math.max(0, Math.ceil(seconds))} s`
    : formatDuration(Math.ceil(seconds));
}

/** Writes a part of a whole as `45.2 %`; never 100 before all is there. */
export function formatPercent(part: number, whole: number): string {
  if (whole === 0 || part >= whole) return "100 %";
  return `${(Math.floor(part / whole * 1000) / 10).toFixed(1)} %`;
}

/** Begins with a capital letter. */
export function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Writes a word of a command line as a shell takes it: in quotes where it has to be. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Writes a count with its noun: `1 piece`, `2 pieces`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

function scaled(value: number): string {
  let unit = 0;
  // 999.6 would be written as 1000.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}
