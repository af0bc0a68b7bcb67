import type { TrackerEvent } from "./announce.ts";
import { isTrackerUrl } from "./query.ts";
import { TrackerHealth, type TrackerMemory } from "./tracker_health.ts";

/** What another tracker's cost may be at most, as a part of that of the one in use, for us to move there. */
export const SWITCH_COST_PART = 0.7;
/** How much less it has to be besides: what a round trip varies by anyway. */
export const SWITCH_COST_MS_MIN = 20;

/** One tracker of a torrent: what is known of it, and what it is being told. */
export interface Tracker {
  /** Its announce URL. */
  readonly url: string;
  /** Its tier, from 0. */
  readonly tier: number;
  /** Whether it speaks a protocol that we know. */
  readonly isSupported: boolean;
  /** How well it answers. */
  readonly health: TrackerHealth;
  /** The announce under way. */
  order: { readonly event: TrackerEvent; readonly sinceMs: number } | null;
  /** When the probe under way began; `null` for none. */
  probingSinceMs: number | null;
  /** Whether it counts us among the peers: it answered, and we have not left. */
  knowsUs: boolean;
  /** Whether it was told of the completion. */
  isCompletionTold: boolean;
  /** Its min interval: not to be asked before, unless there is an event to tell. */
  earliestMs: number;
  /** When it last answered; `null` for never. */
  lastAnswerMs: number | null;
  /** From its last answer. */
  seeders: number | null;
  /** From its last answer. */
  leechers: number | null;
  /** How many peers its last answer held. */
  peerCount: number | null;
  /** From its last answer. */
  warning: string | null;
  /** What it wants to be sent back. */
  trackerId: Uint8Array | null;
}

/**
 * Makes the trackers of a torrent: tier after tier, each shuffled (BEP 12) and then, as far as they are
 * remembered, the best first. A URL that occurs again, be it with the default port written out, is left out,
 * and so is a tier that is empty then.
 */
export function makeTrackers(
  tiers: readonly (readonly string[])[],
  memory: readonly TrackerMemory[],
  random: () => number,
): Tracker[] {
  const known = new Map(memory.map((each) => [each.url, each]));
  const seen: Set<string> = new Set();
  const result: Tracker[] = [];
  let tier = 0;
  for (const urls of tiers) {
    const fresh: string[] = [];
    for (const url of urls) {
      const normal = URL.parse(url)?.href ?? url;
      if (seen.has(normal)) continue;
      seen.add(normal);
      fresh.push(url);
    }
    if (fresh.length === 0) continue;
    shuffle(fresh, random);
    for (const url of fresh) result.push(makeTracker(url, tier, known.get(url), random));
    tier++;
  }
  return rank(result, null, -Infinity);
}

/**
 * Orders trackers by who is to be asked first: those that do not fail before those that do, earlier tiers
 * before later ones, and within a tier those that answered since we started, the cheapest first. The one
 * in use stays before others of its tier unless they are clearly better; so the order does not flap.
 */
export function rank(
  trackers: readonly Tracker[],
  inUse: Tracker | null,
  nowMs: number,
): Tracker[] {
  const cost = (tracker: Tracker): number => {
    const { cost } = tracker.health;
    return tracker === inUse ? Math.min(cost * SWITCH_COST_PART, cost - SWITCH_COST_MS_MIN) : cost;
  };
  // The order of equals stays: that of the shuffle.
  return [...trackers].sort((a, b) =>
    Number(a.health.isFailing(nowMs)) - Number(b.health.isFailing(nowMs)) ||
    a.tier - b.tier ||
    Number(b.health.isContacted) - Number(a.health.isContacted) ||
    compare(cost(a), cost(b))
  );
}

/** Unlike a difference, right for two that are infinite. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function makeTracker(
  url: string,
  tier: number,
  memory: TrackerMemory | undefined,
  random: () => number,
): Tracker {
  const isSupported = isTrackerUrl(url);
  const health = new TrackerHealth(memory, random);
  if (!isSupported) health.lastError = "this kind of tracker is not supported";
  return {
    url,
    tier,
    isSupported,
    health,
    order: null,
    probingSinceMs: null,
    knowsUs: false,
    isCompletionTold: false,
    earliestMs: -Infinity,
    lastAnswerMs: null,
    seeders: null,
    leechers: null,
    peerCount: null,
    warning: null,
    trackerId: null,
  };
}

/** Fisher and Yates. */
function shuffle<T>(items: T[], random: () => number): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
}
