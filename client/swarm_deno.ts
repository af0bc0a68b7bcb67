/**
 * What `download` and `seed` have in common: the session, and the telling of what a swarm does.
 *
 * @module
 */
import { printableText, type Torrent } from "@enjambre/metainfo";
import type { TrackerStatus } from "@enjambre/tracker";
import type { Damage, KeptStore } from "@enjambre/storage";
import type { ActiveTorrent, TorrentOptions, TorrentSnapshot } from "./active_torrent_deno.ts";
import type { SwarmOptions } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { CommandFailure } from "./failure.ts";
import type { ProgressView } from "./progress.ts";
import { Session } from "./session_deno.ts";
import type { Pause } from "./store_keeper_deno.ts";
import { formatCount, formatWait, shown } from "./text.ts";

/** Time between two looks at the swarm. */
const WATCH_MS = 100;

/** Files of which it is told that they changed, each time: a folder that was removed has many. */
const DAMAGES_TOLD_MAX = 3;

/** Begins to listen. */
export function listen(options: SwarmOptions): Session {
  const { port, hostname, peersMax, uploadLimit, downloadLimit } = options;
  try {
    return Session.listen({
      ...(port !== undefined && { port }),
      ...(hostname !== undefined && { hostname }),
      ...(peersMax !== undefined && { connectionsMax: peersMax }),
      ...(uploadLimit !== undefined && { uploadLimit }),
      ...(downloadLimit !== undefined && { downloadLimit }),
    });
  } catch (cause) {
    if (cause instanceof Deno.errors.AddrInUse) {
      const message =
        `Cannot listen on port ${port}: it is in use; choose another with --port, or 0`;
      throw new CommandFailure("port-in-use", message, undefined, { cause });
    }
    if (cause instanceof Deno.errors.PermissionDenied) {
      const message =
        `Cannot listen on port ${port}: permission is missing; ports below 1024 are often reserved`;
      throw new CommandFailure("permission", message, undefined, { cause });
    }
    throw cause;
  }
}

/** The tiers to announce to: the URLs given by hand, a tier each, then the torrent's own. */
export function trackerTiers(
  torrent: Torrent,
  options: SwarmOptions,
): readonly (readonly string[])[] {
  return [...options.trackers.map((url) => [url]), ...torrent.trackers];
}

/** Has what a torrent moves counted over all runs of the program. */
export function keepingTotals(store: KeptStore): Pick<TorrentOptions, "totals" | "keepTotals"> {
  return { totals: store.totals, keepTotals: (totals) => store.setTotals(totals) };
}

/** Has a person told of files that change behind our back. */
export function tellingDamage(
  isFetching: boolean,
  { reporter }: CommandContext,
): Pick<TorrentOptions, "handleDamage"> {
  const handleDamage = (damages: readonly Damage[]): void => {
    for (const { path, kind } of damages.slice(0, DAMAGES_TOLD_MAX)) {
      const message = damageTexts[kind] + (isFetching ? "is fetched again" : "is seeded no more");
      reporter.event("damaged", { path, kind, message });
      reporter.warn(`${printableText(path)} ${message}`);
    }
    const more = damages.length - DAMAGES_TOLD_MAX;
    if (more > 0) reporter.warn(`${formatCount(more, "more file")} changed as well`);
  };
  return { handleDamage };
}

/** What happened to a file, and what of it, in words. */
const damageTexts: Readonly<Record<Damage["kind"], string>> = {
  vanished: "is gone; it ",
  shrank: "became shorter; what it lacks ",
  replaced: "was replaced; it is verified, and what is wrong ",
};

/** Refuses to begin where no peer can ever be found. */
export function assertReachable(
  tiers: readonly (readonly string[])[],
  options: SwarmOptions,
): void {
  if (options.peers.length > 0) return;
  const urls = tiers.flat();
  if (urls.some((url) => /^https?:/i.test(url))) return;
  const what = urls.length === 0
    ? "The torrent names no tracker"
    : "The torrent's trackers are of a kind that is not supported yet, only http and https are";
  throw new CommandFailure("no-peers", `${what}; give --tracker URL or --peer HOST:PORT`);
}

/**
 * Tells what a torrent's swarm does until `until` settles or the signal is aborted, whichever is first.
 *
 * **Errors**: those of `until`, and the signal's reason.
 */
export async function watchSwarm(
  active: ActiveTorrent,
  context: CommandContext,
  tell: (snapshot: TorrentSnapshot) => void,
  until: Promise<void>,
): Promise<void> {
  const trackers = new TrackerTeller(context);
  const pauses = new PauseTeller(context);
  const look = (): void => {
    const snapshot = active.snapshot();
    trackers.look(snapshot.trackers);
    pauses.look(snapshot);
    tell(snapshot);
  };
  look();
  const timer = setInterval(look, WATCH_MS);
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(context.signal.reason);
  if (context.signal.aborted) abort();
  context.signal.addEventListener("abort", abort);
  try {
    await Promise.race([until, aborted.promise]);
    const snapshot = active.snapshot();
    trackers.look(snapshot.trackers);
    pauses.look(snapshot);
  } finally {
    clearInterval(timer);
    context.signal.removeEventListener("abort", abort);
  }
}

/** What a snapshot looks like as a progress object. */
export function progressFields(phase: string, snapshot: TorrentSnapshot): Record<string, unknown> {
  const { trackers: _, recovery: __, wasted, ...numbers } = snapshot;
  const { duplicate, unasked, corrupt, abandoned } = wasted;
  return { phase, ...numbers, wastedBytes: duplicate + unasked + corrupt + abandoned };
}

/** What a snapshot looks like to a person. */
export function swarmView(
  doing: string,
  snapshot: TorrentSnapshot,
  isSeeding: boolean,
): ProgressView {
  const { haveBytes, totalBytes, peers } = snapshot;
  const note = snapshot.pause !== null
    ? reasonAlone(snapshot.pause)
    : peers === 0
    ? noteOn(snapshot.trackers)
    : undefined;
  if (snapshot.pause !== null) doing = "Paused";
  else if (snapshot.isChecking) doing = "Checking";
  const view = { doing, doneBytes: haveBytes, totalBytes, hasEnd: !isSeeding, peers };
  if (note !== undefined) return { ...view, note };
  const { upBytesPerSecond, downBytesPerSecond, uploadedBytes, secondsLeft } = snapshot;
  return isSeeding
    ? { ...view, upBytesPerSecond, uploadedBytes }
    : { ...view, upBytesPerSecond, downBytesPerSecond, secondsLeft };
}

/** What is wrong, without the path, which may leave no room for it. */
function reasonAlone({ message, path }: Pause): string {
  const at = path === "" ? -1 : message.indexOf(`${path}: `);
  return at < 0 ? message : message.slice(at + path.length + 2);
}

/** Where trackers stand while there are no peers: what failed, and when it is tried again. */
function noteOn(trackers: readonly TrackerStatus[]): string | undefined {
  const asked = trackers.filter((tracker) => tracker.nextAnnounceMs !== null || tracker.announcing);
  if (trackers.some((tracker) => tracker.knowsUs)) return undefined;
  const failed = asked.filter((tracker) => tracker.lastError !== null);
  if (failed.length === 0) return asked.length === 0 ? undefined : "asking the tracker";
  const next = failed.reduce((a, b) => retryMs(b) < retryMs(a) ? b : a);
  const seconds = (retryMs(next) - performance.now()) / 1000;
  return `next try ${seconds <= 0 ? "now" : `in ${formatWait(seconds)}`}, ${reasonOf(next)}`;
}

function retryMs(tracker: TrackerStatus): number {
  return tracker.announcing ? -Infinity : tracker.nextAnnounceMs ?? Infinity;
}

/** `tracker.example: connection refused`: the host alone, for the rest of a URL may hold a passkey. */
function reasonOf(tracker: TrackerStatus): string {
  const host = hostOf(tracker.url);
  const reason = (tracker.lastError ?? "").replace(/^Cannot announce to [^:\s]+(?::\d+)?: /, "");
  return `tracker ${host}: ${shown(reason)}`;
}

function hostOf(url: string): string {
  return shown(URL.parse(url)?.host ?? url);
}

/** Tells when the store cannot go on, and when it does again. */
class PauseTeller {
  readonly #context: CommandContext;
  #told: Pause | null = null;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  look({ pause }: TorrentSnapshot): void {
    const before = this.#told;
    if (pause?.code === before?.code) return;
    this.#told = pause;
    const { reporter } = this.#context;
    if (pause === null) {
      reporter.event("resumed", {});
      return reporter.say("Going on");
    }
    reporter.event("paused", { code: pause.code, message: pause.message });
    // Whole: it may hold a long path, and what is wrong comes after that.
    reporter.warn(`paused: ${printableText(pause.message)}; it goes on by itself when it can`);
  }
}

/** Tells of each tracker once when it begins to fail, when it warns, and when it answers. */
class TrackerTeller {
  readonly #context: CommandContext;
  readonly #told: Map<string, string> = new Map();

  constructor(context: CommandContext) {
    this.#context = context;
  }

  look(trackers: readonly TrackerStatus[]): void {
    for (const tracker of trackers) {
      if (tracker.lastError !== null) this.#tell(tracker, "failed");
      else if (tracker.knowsUs) this.#tell(tracker, "announced");
    }
  }

  #tell(tracker: TrackerStatus, state: "failed" | "announced"): void {
    const said = shown(state === "failed" ? tracker.lastError ?? "" : tracker.warning ?? "");
    const now = `${state} ${said}`;
    if (this.#told.get(tracker.url) === now) return;
    const isFirst = !this.#told.has(tracker.url);
    this.#told.set(tracker.url, now);
    const { reporter } = this.#context;
    const host = hostOf(tracker.url);
    if (state === "announced") {
      const { seeders, leechers, peerCount } = tracker;
      reporter.event("announced", { tracker: host, seeders, leechers, peers: peerCount });
      if (said !== "") reporter.warn(`tracker ${host} says: ${said}`);
      else if (!isFirst) reporter.say(`Tracker ${host} answers again`);
      return;
    }
    reporter.event("tracker-failed", { tracker: host, message: said });
    reporter.warn(reasonOf(tracker));
  }
}
