/**
 * What `show` prints of torrents and magnet links.
 *
 * @module
 */
import {
  formatMagnet,
  hexOfHash,
  type Magnet,
  type Torrent,
  type TorrentFile,
} from "@enjambre/metainfo";
import type { EventFields } from "./reporter.ts";
import {
  formatBytes,
  formatCount,
  formatPieceLength,
  shown,
  SHOWN_CHARACTERS_MAX,
} from "./text.ts";

/** A torrent as the fields of an object; padding files are neither listed nor counted. */
export function torrentFields(torrent: Torrent): EventFields {
  const { geometry } = torrent;
  return {
    name: torrent.name,
    format: formatOf(torrent),
    infoHash: hexOrNull(torrent.infoHash),
    infoHashV2: hexOrNull(torrent.infoHashV2),
    pieceLength: geometry.pieceLength,
    pieceCount: geometry.pieceCount,
    totalBytes: geometry.contentBytes,
    private: torrent.private,
    files: contentFiles(torrent).map(({ path, bytes }) => ({ path, bytes })),
    trackers: torrent.trackers,
    webSeeds: torrent.webSeeds,
    comment: torrent.comment,
    createdBy: torrent.createdBy,
    creationDateSeconds: torrent.creationDateSeconds,
  };
}

/** A magnet link as the fields of an object: those of a torrent, null where a link does not say. */
export function magnetFields(magnet: Magnet): EventFields {
  return {
    name: magnet.name,
    format: null,
    infoHash: hexOrNull(magnet.infoHash),
    infoHashV2: hexOrNull(magnet.infoHashV2),
    pieceLength: null,
    pieceCount: null,
    totalBytes: magnet.totalBytes,
    private: null,
    files: null,
    trackers: magnet.trackers,
    webSeeds: magnet.webSeeds,
    peers: magnet.peers,
  };
}

/** A torrent as a table for people. */
export function torrentTable(torrent: Torrent): string {
  const { geometry, infoHash, infoHashV2, name, trackers } = torrent;
  const files = contentFiles(torrent);
  const totalBytes = geometry.contentBytes;
  const made = [
    torrent.creationDateSeconds === null ? "" : formatDate(torrent.creationDateSeconds),
    torrent.createdBy === null ? "" : `by ${shown(torrent.createdBy)}`,
  ].filter((part) => part !== "").join(" ");
  return [
    row("Name", shown(name)),
    row("Format", formatNames[formatOf(torrent)]),
    ...hashRows(infoHash, infoHashV2),
    row("Size", `${formatBytes(totalBytes)} in ${formatCount(files.length, "file")}`),
    row("Pieces", `${geometry.pieceCount} of ${formatPieceLength(geometry.pieceLength)}`),
    ...(torrent.private ? [row("Private", "yes, peers come from its trackers only")] : []),
    ...(made === "" ? [] : [row("Made", made)]),
    ...(torrent.comment ? [row("Comment", shown(torrent.comment))] : []),
    ...trackerRows(trackers),
    ...torrent.webSeeds.map((url, i) => row(i === 0 ? "Web seeds" : "", shown(url))),
    row("Magnet", formatMagnet({ infoHash, infoHashV2, name, trackers, totalBytes })),
    "",
    ...fileRows(files),
  ].join("\n");
}

/** A magnet link as a table for people. */
export function magnetTable(magnet: Magnet): string {
  const { totalBytes, peers } = magnet;
  return [
    row("Name", magnet.name === null ? "not stated" : shown(magnet.name)),
    ...hashRows(magnet.infoHash, magnet.infoHashV2),
    ...(totalBytes === null ? [] : [row("Size", formatBytes(totalBytes))]),
    ...trackerRows(magnet.trackers),
    ...magnet.webSeeds.map((url, i) => row(i === 0 ? "Web seeds" : "", shown(url))),
    ...peers.map(({ host, port }, i) => row(i === 0 ? "Peers" : "", `${host} port ${port}`)),
  ].join("\n");
}

/** What kinds of torrent there are, for people. */
const formatNames = {
  v1: "v1",
  v2: "v2, with a hash tree of each file",
  hybrid: "hybrid, v1 and v2 in one",
} as const;

/** What kind of torrent it is. */
export function formatOf({ infoHash, infoHashV2 }: Torrent): "v1" | "v2" | "hybrid" {
  if (infoHashV2 === null) return "v1";
  return infoHash === null ? "v2" : "hybrid";
}

function contentFiles(torrent: Torrent): TorrentFile[] {
  return torrent.geometry.files.filter((file) => !file.padding);
}

/** The info-hashes as rows of a table. */
export function hashRows(v1: Uint8Array | null, v2: Uint8Array | null): string[] {
  return [
    ...(v1 === null ? [] : [row("Info-hash", hexOfHash(v1))]),
    ...(v2 === null ? [] : [row(v1 === null ? "Info-hash" : "", `${hexOfHash(v2)} (v2)`)]),
  ];
}

/** A line for each tracker, those of one tier under its number. */
function trackerRows(tiers: readonly (readonly string[])[]): string[] {
  const rows: string[] = [];
  for (const [tier, urls] of tiers.entries()) {
    for (const [i, url] of urls.entries()) {
      const number = tiers.length === 1 ? "" : i === 0 ? `${tier + 1}. ` : "   ";
      rows.push(row(rows.length === 0 ? "Trackers" : "", number + shown(url)));
    }
  }
  return rows.length === 0 ? [row("Trackers", "none")] : rows;
}

function fileRows(files: readonly TorrentFile[]): string[] {
  const sizes = files.map((file) => formatBytes(file.bytes));
  const width = Math.max(0, ...sizes.slice(0, 10_000).map((size) => size.length));
  const digits = String(files.length).length;
  return files.map(({ path, symlink }, i) => {
    const target = symlink === null ? "" : ` -> ${shownPath(symlink)}`;
    return `  ${String(i + 1).padStart(digits)}  ${sizes[i]!.padStart(width)}  ${
      shownPath(path)
    }${target}`;
  });
}

/** A path whose names are safe already, those that are too long to be read cut. */
function shownPath(path: string): string {
  if (path.length <= SHOWN_CHARACTERS_MAX) return path;
  return path.split("/")
    .map((name) => name.length <= SHOWN_CHARACTERS_MAX ? name : shown(name))
    .join("/");
}

function row(label: string, value: string): string {
  return `${label.padEnd(10)} ${value}`;
}

/** The last second that the calendar reaches. */
const SECONDS_MAX = 8.64e12;

/** Writes a moment as `2024-05-01 12:30 UTC`; the bare number where no calendar has it. */
function formatDate(seconds: number): string {
  if (seconds > SECONDS_MAX) return String(seconds);
  // The Swedish way to write dates is that of ISO 8601. To load it takes 10 ms, which most commands need not spend.
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone: "UTC",
    dateStyle: "short",
    timeStyle: "short",
  });
  return `${format.format(seconds * 1000)} UTC`;
}

function hexOrNull(hash: Uint8Array | null): string | null {
  return hash === null ? null : hexOfHash(hash);
}
