/** On what was measured: the machine, the versions, and how much of it others took meanwhile. Needs Linux. */
import { requireProgram } from "../tests/kit/program.ts";
import { REPOSITORY } from "../tests/kit/enjambre.ts";

const TICKS_PER_SECOND = 100;

/** A machine, in the words of its system. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGibibytes: number;
  readonly system: string;
}

/** Versions by program, as each names itself. */
export type Versions = Readonly<Record<string, string>>;

/** This machine. */
export async function thisMachine(): Promise<Machine> {
  const [cpu, memory, release, kernel] = await Promise.all(
    ["/proc/cpuinfo", "/proc/meminfo", "/etc/os-release", "/proc/sys/kernel/osrelease"].map(
      (path) => Deno.readTextFile(path).catch(() => ""),
    ),
  );
  const kibibytes = Number(/^MemTotal:\s+(\d+) kB$/m.exec(memory!)?.[1] ?? 0);
  const name = /^PRETTY_NAME="(.*)"$/m.exec(release!)?.[1] ?? Deno.build.os;
  const linux = /^\d+\.\d+/.exec(kernel!)?.[0] ?? "";
  return {
    processor: /^model name\s*:\s*(.*)$/m.exec(cpu!)?.[1] ?? Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    memoryGibibytes: Math.round(kibibytes / 1024 / 1024),
    system: linux === "" ? name : `${name}, Linux ${linux}`,
  };
}

/** The versions of what is measured, and of what it runs on. */
export async function versionsHere(): Promise<Versions> {
  const { version } = JSON.parse(await Deno.readTextFile(`${REPOSITORY}/deno.json`));
  const versions: Record<string, string> = { enjambre: version, deno: Deno.version.deno };
  for (const name of ["aria2c", "libtorrent", "mktorrent"] as const) {
    const said = await requireProgram(name);
    const number = said === null ? null : /\d+(\.\d+)+/.exec(said)?.[0];
    if (number) versions[name === "aria2c" ? "aria2" : name] = number;
  }
  return versions;
}

/** Tells how much of the machine others took since it was made; processes that still run count as others. */
export class OthersMeter {
  readonly #before: Promise<[busy: number, ours: number, all: number]> = look();

  /** From 0, nothing, to 1, all of it. */
  async share(): Promise<number> {
    const [busyBefore, oursBefore, allBefore] = await this.#before;
    const [busy, ours, all] = await look();
    const others = busy - busyBefore - (ours - oursBefore);
    return Math.max(0, others / Math.max(all - allBefore, 1 / TICKS_PER_SECOND));
  }
}

/** Seconds of all cores: those that anybody used, those of this process and its ended children, and all that there were. */
async function look(): Promise<[busy: number, ours: number, all: number]> {
  const [total, own] = await Promise.all(
    ["/proc/stat", "/proc/self/stat"].map((path) => Deno.readTextFile(path)),
  );
  // user, nice, system, idle, iowait, irq, softirq, steal
  const times = total!.slice(0, total!.indexOf("\n")).split(/\s+/).slice(1, 9).map(Number);
  const all = times.reduce((sum, each) => sum + each, 0);
  const fields = own!.slice(own!.lastIndexOf(")") + 2).split(" ");
  const ours = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
  const idle = times[3]! + times[4]!;
  return [(all - idle) / TICKS_PER_SECOND, ours / TICKS_PER_SECOND, all / TICKS_PER_SECOND];
}
