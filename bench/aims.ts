/** What this system set out to reach, and whether the committed results bear it out. */
import { median, type Row } from "./part.ts";
import type { Results } from "./results.ts";

/** One aim, held against what was measured. */
export interface Verdict {
  readonly what: string;
  readonly aim: string;
  readonly reached: string;
  readonly others: string;
  /** Null where it was not measured. */
  readonly isMet: boolean | null;
  /** What stands in the way, where it is known. */
  readonly why: string;
}

/** What was reached of one aim; null where what it needs was not measured. */
interface Reached {
  readonly text: string;
  readonly isMet: boolean;
}

/** An aim, and how to tell whether it is met. */
interface Aim {
  readonly what: string;
  readonly aim: string;
  /** Told where the aim is missed. */
  readonly why: string;
  reached(look: Look): Reached | null;
  others(look: Look): string;
}

/** A figure: the median, by part, program and metric, and by case where there are several; null where there is none. */
type Look = (part: string, program: string, metric: string, name?: string) => number | null;

const UNTOLD = "not measured";

const AIMS: readonly Aim[] = [
  {
    what: "download from the ideal seed",
    aim: "1.5 times aria2; reach for 2",
    why:
      "a download needs both of two cores and shares them with the seed; what no download can do without (receive, copy, SHA-1, write) fills them at about 1.6 GB/s, so that twice aria2 is out of reach here.",
    reached: (look) => timesAsFast(look, "leech", "aria2", 1.5),
    others: (look) => told(look, "leech", "transfer", "MB/s", ["aria2", "libtorrent"]),
  },
  {
    what: "CPU for that",
    aim: "no more than aria2; 1.3 s/GiB",
    why:
      "SHA-1 and the kernel's part are 1.0 s/GiB for any program; starting Deno and compiling take 0.25, and what is left is the event loop's own and the copying from core to core.",
    reached(look) {
      const ours = look("leech", "enjambre", "cpu");
      const theirs = look("leech", "aria2", "cpu");
      if (ours === null || theirs === null) return null;
      return { text: `${fixed(ours, 2)} s/GiB`, isMet: ours <= theirs && ours <= 1.3 };
    },
    others: (look) => told(look, "leech", "cpu", "s/GiB", ["aria2", "libtorrent"], 2),
  },
  {
    what: "memory for that",
    aim: "under 200 MiB",
    why: "",
    reached: (look) => below(look("leech", "enjambre", "memory"), 200, "MiB"),
    others: (look) => told(look, "leech", "memory", "MiB", ["aria2", "libtorrent"]),
  },
  {
    what: "upload to the ideal leecher",
    aim: "1.3 times libtorrent",
    why: "",
    reached: (look) => timesAsFast(look, "seed", "libtorrent", 1.3),
    others: (look) => told(look, "seed", "transfer", "MB/s", ["libtorrent", "aria2"]),
  },
  {
    what: "50 connections instead of 1",
    aim: "within 15 % of the same rate and CPU",
    why: "each read of a socket brings less, and is a wake-up all the same.",
    reached: (look) => againstOne(look, "50 connections", 0.15, Infinity),
    others: (look) => othersAgainstOne(look, "50 connections"),
  },
  {
    what: "500 connections instead of 1",
    aim: "within 30 %, under 350 MiB",
    why:
      "each read of a socket brings less, and is a wake-up all the same; more of what belongs to a connection is out of the caches when its turn comes.",
    reached: (look) => againstOne(look, "500 connections", 0.3, 350),
    others: (look) => othersAgainstOne(look, "500 connections"),
  },
  {
    what: "decode a torrent of 10,000 files",
    aim: "5 times npm:bencode",
    why: "",
    reached(look) {
      const ours = look("codec", "enjambre", "time", "decode");
      const theirs = look("codec", "npm:bencode", "time", "decode");
      if (ours === null || theirs === null) return null;
      const text = `${fixed(ours / 1000, 2)} ms, ${fixed(theirs / ours, 1)} times npm:bencode`;
      return { text, isMet: theirs / ours >= 5 };
    },
    others(look) {
      const theirs = look("codec", "npm:bencode", "time", "decode");
      return theirs === null ? UNTOLD : `npm:bencode ${fixed(theirs / 1000, 1)} ms`;
    },
  },
  {
    what: "a seed with 500 idle peers",
    aim: "under 1 % of a core",
    why: "what the program shows is made anew four times a second, and adds up the peers.",
    reached: (look) => below(look("idle", "enjambre", "cpu", "seed"), 1, "%", 2),
    others: (look) => {
      const theirs = look("idle", "libtorrent", "cpu", "seed");
      return theirs === null ? UNTOLD : `libtorrent ${fixed(theirs, 2)} %`;
    },
  },
  {
    what: "`--version`",
    aim: "under 150 ms",
    why: "",
    reached: (look) => below(look("start", "enjambre", "time", "--version"), 150, "ms"),
    others(look) {
      const bare = look("start", "bare deno", "time", "--version");
      return bare === null ? UNTOLD : `a deno that does nothing ${fixed(bare)} ms`;
    },
  },
  {
    what: "`seed` listening, beside a verified torrent",
    aim: "within 300 ms",
    why: "",
    reached: (look) => below(look("start", "enjambre", "time", "seed listening"), 300, "ms"),
    others(look) {
      const theirs = look("start", "libtorrent", "time", "seed listening");
      return theirs === null ? UNTOLD : `libtorrent ${fixed(theirs)} ms, which does not look`;
    },
  },
];

/** All aims and what was reached. */
export function verdictsOn(results: Results): Verdict[] {
  const look: Look = (part, program, metric, name = "") => {
    const rows: readonly Row[] = results.parts[part]?.rows ?? [];
    const runs = rows.find((row) => row.program === program && row.case === name)?.runs[metric];
    return runs === undefined || runs.length === 0 ? null : median(runs);
  };
  return AIMS.map(({ what, aim, why, reached, others }) => {
    const got = reached(look);
    const isMet = got?.isMet ?? null;
    return {
      what,
      aim,
      reached: got?.text ?? UNTOLD,
      others: others(look),
      isMet,
      why: isMet === false ? why : "",
    };
  });
}

function timesAsFast(look: Look, part: string, other: string, least: number): Reached | null {
  const ours = look(part, "enjambre", "transfer");
  const theirs = look(part, other, "transfer");
  if (ours === null || theirs === null) return null;
  const ratio = ours / theirs;
  const text = `${fixed(ours)} MB/s, ${fixed(ratio, 2)} times ${other}`;
  return { text, isMet: ratio >= least };
}

function below(value: number | null, limit: number, unit: string, digits = 0): Reached | null {
  if (value === null) return null;
  const shown = fixed(value, digits);
  return { text: `${shown} ${unit}`, isMet: Number(shown) < limit };
}

function againstOne(
  look: Look,
  name: string,
  tolerance: number,
  memoryMax: number,
): Reached | null {
  const [rate, cpu] = againstOneOf(look, name, "enjambre");
  const memory = look("peers", "enjambre", "memory", name);
  if (rate === null || cpu === null || memory === null) return null;
  return {
    text: `${signedPercent(rate)} rate, ${signedPercent(cpu)} CPU, ${fixed(memory)} MiB`,
    isMet: rate >= 1 - tolerance && cpu <= 1 + tolerance && memory < memoryMax,
  };
}

function othersAgainstOne(look: Look, name: string): string {
  const told = ["aria2", "libtorrent"].flatMap((program) => {
    const [rate, cpu] = againstOneOf(look, name, program);
    if (rate === null || cpu === null) return [];
    return [`${program} ${signedPercent(rate)}, ${signedPercent(cpu)}`];
  });
  return told.length === 0 ? UNTOLD : told.join("; ");
}

function againstOneOf(
  look: Look,
  name: string,
  program: string,
): [rate: number | null, cpu: number | null] {
  const ratio = (metric: string): number | null => {
    const many = look("peers", program, metric, name);
    const one = look("peers", program, metric, "1 connection");
    return many === null || one === null ? null : many / one;
  };
  return [ratio("transfer"), ratio("cpu")];
}

function told(
  look: Look,
  part: string,
  metric: string,
  unit: string,
  programs: readonly string[],
  digits = 0,
): string {
  const each = programs.flatMap((program) => {
    const value = look(part, program, metric);
    return value === null ? [] : [`${program} ${fixed(value, digits)}`];
  });
  return each.length === 0 ? UNTOLD : `${each.join(", ")} ${unit}`;
}

function signedPercent(ratio: number): string {
  const percent = Math.round((ratio - 1) * 100);
  return `${percent < 0 ? "−" : "+"}${Math.abs(percent)} %`;
}

function fixed(value: number, digits = 0): string {
  return value.toFixed(digits);
}
