import { type BencodeDict, decode, encode } from "@enjambre/bencode";
import type { Geometry } from "@enjambre/metainfo";
import { type FilePlace, type FileStamp, NO_FILE } from "./file_stamp.ts";

/** The form of the data; what has another is not read, and the files are verified instead. */
const RESUME_VERSION = 1;

/** What a stamp takes: a byte for the place, then size and time of change as 64-bit floats. */
const STAMP_BYTES = 17;

/** The places of a stamp, by the number that stands for them. */
const PLACES: readonly FilePlace[] = ["none", "part", "final"];

/** What a file's path may take where it is not as the torrent says; systems take no longer one. */
const PATH_BYTES_MAX = 4096;

/** What everything takes that does not grow with the torrent: the folder's path and a few numbers. */
const REST_BYTES_MAX = 64 * 1024;

/** Values in the data that do not grow with the torrent; there are thirteen, and the trackers that were told. */
const REST_VALUES_MAX = 100;

/** So many trackers are remembered to have been told; of more the rest are told again. */
const TOLD_TRACKERS_MAX = 50;

/** What their URLs may take together. */
const TOLD_BYTES_MAX: number = 32 * 1024;

/** The states of a completion, by the number that stands for them. */
const COMPLETION_STATES: readonly Completion["state"][] = ["unknown", "told", "to-come"];

/** What the trackers know of the completion of a download, which each is told once. */
export interface Completion {
  /**
   * `unknown`: this was no download, as far as is remembered. `to-come`: it was one, and trackers have yet to be
   * told that it is complete. `told`: all have been.
   */
  readonly state: "unknown" | "to-come" | "told";
  /** While it is `to-come`: the announce URLs of the trackers that have been told already. */
  readonly toldTo: readonly string[];
}

/** What is known of a torrent's completion at first. */
export const COMPLETION_UNKNOWN: Completion = { state: "unknown", toldTo: [] };

/** Values for each path: the file's index, the path, and the list of both. */
const VALUES_PER_PATH = 3;

/** Which torrent, kept in which folder: there is one file of resume data for each. */
export interface ResumeKey {
  /** The 20 bytes that the swarm is known by. */
  readonly swarmHash: Uint8Array;
  /** The real path of the download folder, links followed. */
  readonly folder: string;
}

/**
 * How a file looked when it was verified. Not its inode: network file systems renumber theirs, and a copy
 * on a new disk with its times kept is to be believed.
 */
export type ResumeStamp = Omit<FileStamp, "inode">;

/** What is remembered of a torrent from one run of the program to the next. */
export interface ResumeData {
  /** The volume that the download folder was on; null where the system does not tell. */
  readonly device: number | null;
  /** The pieces that were verified. **Shape**: one bit for each piece, bit 0 is the high bit of byte 0. */
  readonly good: Uint8Array;
  /** How each file was when its pieces were verified. **Shape**: by file index. */
  readonly stamps: readonly ResumeStamp[];
  /** How much each file is wanted, by file index; null where nobody chose. */
  readonly priorities: Uint8Array | null;
  /** The paths below the folder that are not as the torrent says, by file index. */
  readonly names: ReadonlyMap<number, string>;
  /** Payload fetched so far, in all runs. */
  readonly downloadedBytes: number;
  /** Payload sent so far, in all runs. */
  readonly uploadedBytes: number;
  /** What the trackers know of the download's completion. */
  readonly completion: Completion;
}

/** What is remembered of a torrent that nobody has seen before. */
export function newResume(geometry: Geometry): ResumeData {
  return {
    device: null,
    good: new Uint8Array(bitfieldBytes(geometry)),
    stamps: geometry.files.map(() => NO_FILE),
    priorities: null,
    names: new Map(),
    downloadedBytes: 0,
    uploadedBytes: 0,
    completion: COMPLETION_UNKNOWN,
  };
}

/** The most bytes that {@linkcode encodeResume} makes for a torrent of this form. */
export function resumeBytesMax(geometry: Geometry): number {
  const fileBytesMax = STAMP_BYTES + 1 + PATH_BYTES_MAX;
  return bitfieldBytes(geometry) + geometry.files.length * fileBytesMax + REST_BYTES_MAX;
}

/** Writes resume data down, as bencode. */
export function encodeResume(key: ResumeKey, data: ResumeData): Uint8Array<ArrayBuffer> {
  return encode({
    version: RESUME_VERSION,
    swarm: key.swarmHash,
    folder: key.folder,
    device: data.device === null ? undefined : encodeNumber(data.device),
    good: data.good,
    stamps: encodeStamps(data.stamps),
    priorities: data.priorities ?? undefined,
    names: [...data.names],
    downloaded: data.downloadedBytes,
    uploaded: data.uploadedBytes,
    completed: COMPLETION_STATES.indexOf(data.completion.state),
    told: toldUrls(data.completion.toldTo),
  });
}

/**
 * Reads resume data; null for what is no resume data of this torrent in this folder. Damaged data are
 * worth nothing, and no error: the files are there to be verified.
 *
 * **Ownership**: the result is the caller's; it keeps nothing of `bytes`.
 */
export function decodeResume(
  bytes: Uint8Array,
  key: ResumeKey,
  geometry: Geometry,
): ResumeData | null {
  const data = decodeDict(bytes, geometry);
  if (data === null || data.get("version") !== RESUME_VERSION) return null;
  if (!isSame(data.get("swarm"), key.swarmHash)) return null;
  if (!isSame(data.get("folder"), new TextEncoder().encode(key.folder))) return null;
  const good = data.get("good");
  const stamps = decodeStamps(data.get("stamps"), geometry.files.length);
  const priorities = data.get("priorities") ?? null;
  const names = decodeNames(data.get("names"), geometry.files.length);
  const device = data.has("device") ? decodeNumber(data.get("device")) : null;
  const downloadedBytes = data.get("downloaded");
  const uploadedBytes = data.get("uploaded");
  if (!isBitfield(good, geometry) || stamps === null || names === null) return null;
  if (Number.isNaN(device) || !isTotal(downloadedBytes) || !isTotal(uploadedBytes)) return null;
  if (priorities !== null) {
    if (!(priorities instanceof Uint8Array)) return null;
    if (priorities.length !== geometry.files.length) return null;
  }
  return {
    device,
    good: good.slice(),
    stamps,
    priorities: priorities?.slice() ?? null,
    names,
    downloadedBytes,
    uploadedBytes,
    completion: decodeCompletion(data),
  };
}

function decodeDict(bytes: Uint8Array, geometry: Geometry): BencodeDict | null {
  const maxBytes = resumeBytesMax(geometry);
  const maxValues = REST_VALUES_MAX + geometry.files.length * VALUES_PER_PATH;
  try {
    const value = decode(bytes, { maxBytes, maxValues });
    return value instanceof Map ? value : null;
  } catch {
    return null;
  }
}

function bitfieldBytes(geometry: Geometry): number {
  return Math.ceil(geometry.pieceCount / 8);
}

function isBitfield(value: unknown, geometry: Geometry): value is Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== bitfieldBytes(geometry)) return false;
  const spareBits = value.length * 8 - geometry.pieceCount;
  return spareBits === 0 || (value[value.length - 1]! & ((1 << spareBits) - 1)) === 0;
}

function isTotal(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function isSame(value: unknown, due: Uint8Array): boolean {
  return value instanceof Uint8Array && value.length === due.length &&
    value.every((byte, i) => byte === due[i]);
}

/** A number as it is, beyond 2^53 and with fractions too: systems number volumes as they like. */
function encodeNumber(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
}

function decodeNumber(value: unknown): number {
  if (!(value instanceof Uint8Array) || value.length !== 8) return NaN;
  return new DataView(value.buffer, value.byteOffset).getFloat64(0);
}

/** One after another and not as lists: there may be 250,000 of them, every few seconds. */
function encodeStamps(stamps: readonly ResumeStamp[]): Uint8Array {
  const bytes = new Uint8Array(stamps.length * STAMP_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < stamps.length; i++) {
    const { place, bytes: size, modifiedMs } = stamps[i]!;
    view.setUint8(i * STAMP_BYTES, PLACES.indexOf(place));
    view.setFloat64(i * STAMP_BYTES + 1, size);
    view.setFloat64(i * STAMP_BYTES + 9, modifiedMs);
  }
  return bytes;
}

function decodeStamps(value: unknown, count: number): ResumeStamp[] | null {
  if (!(value instanceof Uint8Array) || value.length !== count * STAMP_BYTES) return null;
  const view = new DataView(value.buffer, value.byteOffset);
  const stamps: ResumeStamp[] = [];
  for (let i = 0; i < count; i++) {
    const place = PLACES[view.getUint8(i * STAMP_BYTES)];
    if (place === undefined) return null;
    const bytes = view.getFloat64(i * STAMP_BYTES + 1);
    const modifiedMs = view.getFloat64(i * STAMP_BYTES + 9);
    stamps.push({ place, bytes, modifiedMs });
  }
  return stamps;
}

/** The trackers that are remembered to have been told. */
function toldUrls(urls: readonly string[]): Uint8Array[] {
  const encoded = urls.slice(0, TOLD_TRACKERS_MAX).map((url) => new TextEncoder().encode(url));
  let bytes = 0;
  return encoded.filter((url) => (bytes += url.length) <= TOLD_BYTES_MAX);
}

/** What makes no sense is taken for unknown: then nothing is told that was told before. */
function decodeCompletion(data: BencodeDict): Completion {
  const state = COMPLETION_STATES[Number(data.get("completed"))] ?? "unknown";
  const told = data.get("told");
  const urls = Array.isArray(told) ? told.filter((url) => url instanceof Uint8Array) : [];
  return { state, toldTo: urls.map((url) => new TextDecoder().decode(url)) };
}

function decodeNames(value: unknown, fileCount: number): Map<number, string> | null {
  if (!Array.isArray(value)) return null;
  const names = new Map<number, string>();
  for (const item of value) {
    const [file, path] = Array.isArray(item) ? item : [];
    if (typeof file !== "number" || file < 0 || file >= fileCount) return null;
    if (!(path instanceof Uint8Array)) return null;
    names.set(file, new TextDecoder().decode(path));
  }
  return names;
}
