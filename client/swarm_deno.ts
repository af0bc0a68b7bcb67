/**
 * What `download` and `seed` have in common: the session, and the telling of what a swarm does.
 *
 * @module
 */
import { printableText, type Torrent } from "@enjambre/metainfo";
import type { OverlayNode } from "@enjambre/overlay";
import { isTrackerUrl, type TrackerStatus } from "@enjambre/tracker";
import type { Damage, KeptStore } from "@enjambre/storage";
import type { ActiveTorrent } from "./active_torrent_deno.ts";
import type { TorrentOptions, TorrentSnapshot } from "./torrent_options.ts";
import type { SwarmOptions } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { CommandFailure } from "./failure.ts";
import { startOverlay } from "./overlay_node_deno.ts";
import type { ProgressView } from "./progress.ts";
import type { EventFields } from "./reporter.ts";
import { Session } from "./session_deno.ts";
import { stateFolder } from "./state_folder_deno.ts";
import type { Pause } from "./store_keeper_deno.ts";
import { formatCount, formatWait, shown } from "./text.ts";
import { TrackersFile } from "./trackers_file_deno.ts";

/** Time between two looks at the swarm: nobody reads quicker, and with 500 idle peers each costs as much as all else. */
const WATCH_MS = 250;

/** Files of which it is told that they changed, each time: a folder that was removed has many. */
const DAMAGES_TOLD_MAX = 3;

/** What listens for a swarm. */
export interface Listening {
  /** The session. */
  readonly session: Session;
  /** Says where, as an object, and begins to tell of the overlay. */
  tell(more?: EventFields): void;
  /** Ends the session and all that goes with it. */
  close(): Promise<void>;
}

/** Begins to listen, for nodes of the overlay too where that is asked for. */
export async function listen(options: SwarmOptions, context: CommandContext): Promise<Listening> {
  const overlay = options.overlay === undefined
    ? null
    : await startOverlay(options.overlay, "--overlay-port", context);
  try {
    const session = listenForPeers(options, overlay?.node);
    return {
      session,
      tell(more: EventFields = {}): void {
        context.reporter.event("listening", {
          hostname: options.hostname ?? "0.0.0.0",
          port: session.port,
          ...(overlay !== null && { overlay: overlay.node.address }),
          ...more,
        });
        overlay?.tell();
      },
      async close(): Promise<void> {
        // The session first: its torrents take leave on the node.
        await Promise.all([session.close(), overlay?.close()]);
      },
    };
  } catch (error) {
    await overlay?.close();
    throw error;
  }
}

function listenForPeers(options: SwarmOptions, overlay: OverlayNode | undefined): Session {
  const { port, hostname, peersMax, uploadLimit, downloadLimit } = options;
  try {
    return Session.listen({
      ...(overlay !== undefined && { overlay }),
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
  if (options.discovery === "overlay") return [];
  return [...options.trackers.map((url) => [url]), ...torrent.trackers];
}

/** Keeps a private torrent out of the overlay: its peers come from its trackers alone (BEP 27). */
export function withinPrivacy<Command extends SwarmOptions>(
  torrent: Torrent,
  command: Command,
  { reporter }: CommandContext,
): Command {
  if (!torrent.private || command.overlay === undefined) return command;
  const name = shown(torrent.name);
  if (command.discovery === "overlay") {
    throw new CommandFailure(
      "private",
      `${name} is private: its peers may come from its trackers only; use --discovery-mode=tracker`,
    );
  }
  reporter.warn(`${name} is private: the overlay is not told of it`);
  const { overlay: _, ...others } = command;
  return { ...others, discovery: "tracker" } as Command;
}

/** The trackers to announce to, what is known of them from earlier runs, and where that is kept. */
export async function announcing(
  torrent: Torrent,
  options: SwarmOptions,
): Promise<Pick<TorrentOptions, "trackers" | "announces">> {
  const trackersFile = new TrackersFile(stateFolder(options.state));
  const { trackers: memory } = await trackersFile.read();
  return {
    trackers: trackerTiers(torrent, options),
    announces: { isToAll: options.announceToAll, memory, trackersFile },
  };
}

/** Has what a torrent moves counted over all runs of the program. */
export function keepingTotals(store: KeptStore): Pick<TorrentOptions, "totals" | "keepTotals"> {
  return {
    totals: store.totals,
    keepTotals(totals): void {
      const { state, toldTo } = store.totals.completion;
      const { completion } = totals;
      store.setTotals(totals);
      // That a tracker was told is known at once: whatever happens, it is not told a second time.
      const isTold = completion.state !== state && completion.state === "told";
      if (isTold || completion.toldTo.length > toldTo.length) store.save();
    },
  };
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
  if (options.peers.length > 0 || options.overlay !== undefined) return;
  const urls = tiers.flat();
  if (urls.some(isTrackerUrl)) return;
  const what = urls.length === 0
    ? "The torrent names no tracker"
    : "The torrent's trackers are of a kind that is not supported, only http, https and udp are";
  throw new CommandFailure(
    "no-peers",
    `${what}; give --tracker URL or --peer HOST:PORT, or --bootstrap HOST:PORT for the overlay`,
  );
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
  const { trackers: _, recovery: __, wasted, overlay, ...numbers } = snapshot;
  const { duplicate, unasked, corrupt, abandoned } = wasted;
  const wastedBytes = duplicate + unasked + corrupt + abandoned;
  return { phase, ...numbers, wastedBytes, ...(overlay !== null && { overlay }) };
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
    ? noteOn(snapshot.trackers) ?? (isSeeding ? undefined : noteOnOverlay(snapshot))
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

/** Why there are no peers, where they come from the overlay alone. */
function noteOnOverlay({ overlay, trackers }: TorrentSnapshot): string | undefined {
  if (overlay === null || trackers.length > 0) return undefined;
  if (overlay.members === 0) return "no overlay node answers yet";
  return overlay.seeds + overlay.leechers === 0 ? "nobody in the overlay has it yet" : undefined;
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
