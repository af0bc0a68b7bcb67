/**
 * What trackers can do to a client, by name, and what has to hold all the same.
 */
import type { AnnouncerOptions } from "@enjambre/tracker";
import { randomOf, VirtualClock } from "../kit/virtual_clock.ts";
import { type Behaviour, type Course, VirtualClient, VirtualTracker } from "./virtual_trackers.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The trackers of most scenarios: near, middling, far. */
const LATENCIES_MS = [20, 60, 150];

/** A world with trackers and one client, and what is wrong with it. */
export class World {
  /** Its time. */
  readonly clock: VirtualClock = new VirtualClock();
  /** Random numbers of its seed. */
  readonly random: () => number;
  /** The trackers, tier by tier. */
  readonly tiers: readonly (readonly VirtualTracker[])[];
  /** The client. */
  client: VirtualClient;
  /** What did not hold. */
  readonly faults: string[] = [];
  readonly #options: Partial<AnnouncerOptions>;

  constructor(
    seed: number,
    latenciesMs: readonly (readonly number[])[],
    options: Partial<AnnouncerOptions> = {},
  ) {
    this.random = randomOf(seed);
    this.#options = options;
    let count = 0;
    this.tiers = latenciesMs.map((tier) =>
      tier.map((latencyMs) => new VirtualTracker("abcdefgh"[count++]!, latencyMs))
    );
    this.client = this.makeClient();
  }

  /** All trackers. */
  get trackers(): VirtualTracker[] {
    return this.tiers.flat();
  }

  /** A client as after a start of the program, which remembers what `options` say. */
  makeClient(options: Partial<AnnouncerOptions> = {}): VirtualClient {
    const all = { ...this.#options, ...options, random: this.random };
    return new VirtualClient(this.clock, this.tiers, all);
  }

  /** Has the world behave so from a time on. */
  at(atMs: number, act: () => void): void {
    this.clock.after(atMs - this.clock.nowMs, act);
  }

  /** Lets time pass. */
  runUntil(endMs: number): void {
    while (this.clock.nextAtMs <= endMs) this.clock.step();
    this.at(endMs, () => {});
    this.clock.step();
  }

  /** Notes it where something does not hold. */
  expect(holds: boolean, what: string): void {
    if (!holds) this.faults.push(what);
  }

  /** Ends the client: every tracker that is up and knows it has to hear it, in two seconds. */
  end(): void {
    this.client.stop();
    this.runUntil(this.clock.nowMs + 2000);
    for (const tracker of this.trackers) {
      if (tracker.isUp) this.expect(!tracker.knowsUs, `${tracker.url} was not told of the end`);
      for (const objection of tracker.objections) this.faults.push(`${tracker.url}: ${objection}`);
    }
  }
}

/** A name, and what happens. */
export interface Scenario {
  /** What it is called in the table. */
  readonly name: string;
  /** Plays it with a seed; the world says what did not hold. */
  readonly play: (seed: number) => World;
}

/** Three trackers in one tier. */
function threeTrackers(seed: number, options: Partial<AnnouncerOptions> = {}): World {
  return new World(seed, [LATENCIES_MS], options);
}

function playThreeUp(seed: number): World {
  const world = threeTrackers(seed);
  const { client, trackers } = world;
  client.start();
  world.runUntil(24 * HOUR_MS);
  const { course } = client;
  world.expect(client.inUse === trackers[0]!.url, `${client.inUse} is in use, not the nearest`);
  // A probe of the nearest and an announce to it, no more.
  world.expect(course.firstAnswerMs === 40, `first answer after ${course.firstAnswerMs} ms`);
  world.expect(course.switches === 0, `${course.switches} switches`);
  world.expect(course.announces === 48, `${course.announces} announces in 24 h, not 48`);
  world.end();
  return world;
}

/** The first dies, gently or silently: the event goes on to the next at once. */
function playPrimaryDies(seed: number, how: Behaviour, gapMsMax: number): World {
  const world = threeTrackers(seed);
  const { client, trackers: [near, next] } = world;
  client.start();
  world.at(HOUR_MS, () => near!.behaviour = how);
  world.at(2 * HOUR_MS, () => client.complete());
  world.runUntil(6 * HOUR_MS);
  world.expect(client.inUse === next!.url, `${client.inUse} is in use, not the next`);
  const { longestGapMs, announces, answered } = client.course;
  world.expect(longestGapMs <= gapMsMax, `${longestGapMs} ms without a tracker`);
  world.expect(announces - answered === 1, `${announces - answered} announces failed, not one`);
  world.expect(completionsOf(world) === 1, `${completionsOf(world)} completions were heard`);
  world.end();
  return world;
}

/** All die: the client tries ever less often, says when, and loses nothing meanwhile. */
function playAllDie(seed: number): World {
  const world = threeTrackers(seed);
  const { client, trackers } = world;
  client.start();
  world.at(HOUR_MS, () => trackers.forEach((tracker) => tracker.behaviour = "down"));
  world.at(2 * HOUR_MS, () => client.complete());
  for (let atMs = 3 * HOUR_MS; atMs < 24 * HOUR_MS; atMs += HOUR_MS) {
    world.at(atMs, () => {
      const nextMs = client.announcer.nextDeadlineMs - world.clock.nowMs;
      world.expect(nextMs <= 30 * MINUTE_MS, `the next try is in ${nextMs} ms`);
      const stated = client.announcer.status().every(({ nextAnnounceMs }) =>
        nextAnnounceMs !== null
      );
      world.expect(stated, "a tracker's next try is not stated");
    });
  }
  world.runUntil(24 * HOUR_MS);
  world.expect(client.course.busiestHour <= 10, `${client.course.busiestHour} tries in an hour`);
  world.expect(completionsOf(world) === 0, "a completion was heard");
  world.expect(!client.announcer.hasToldCompletion, "a completion is believed to be told");
  world.end();
  return world;
}

/** After all died one returns: it is found by its backoff, and hears what it missed, once. */
function playOneReturns(seed: number): World {
  const world = threeTrackers(seed);
  const { client, trackers } = world;
  client.start();
  world.at(HOUR_MS, () => trackers.forEach((tracker) => tracker.behaviour = "down"));
  world.at(2 * HOUR_MS, () => client.complete());
  world.runUntil(9 * HOUR_MS);
  const far = trackers[2]!;
  const heardBefore = far.announceCount;
  far.behaviour = "up";
  world.runUntil(9.5 * HOUR_MS + MINUTE_MS);
  world.expect(far.announceCount > heardBefore, "it was not found within half an hour");
  world.expect(client.inUse === far.url, `${client.inUse} is in use`);
  world.expect(completionsOf(world) === 1, `${completionsOf(world)} completions were heard`);
  world.end();
  return world;
}

/** The nearest dies and returns: it is used again, at the announce after a probe found it. */
function playPrimaryReturns(seed: number): World {
  const world = threeTrackers(seed);
  const { client, trackers: [near] } = world;
  client.start();
  world.at(HOUR_MS, () => near!.behaviour = "down");
  world.at(3 * HOUR_MS, () => near!.behaviour = "up");
  world.runUntil(4 * HOUR_MS + 10 * MINUTE_MS);
  world.expect(client.inUse === near!.url, `${client.inUse} is in use, not the nearest again`);
  world.expect(client.course.switches === 2, `${client.course.switches} switches, not two`);
  world.end();
  return world;
}

/** The tracker in use becomes slow: the client moves on, once, and back when it is fast again. */
function playSlowsDown(seed: number): World {
  const world = threeTrackers(seed);
  const { client, trackers: [near] } = world;
  client.start();
  world.at(2 * HOUR_MS, () => near!.latencyMs = 2000);
  world.runUntil(6 * HOUR_MS);
  world.expect(client.inUse !== near!.url, "the slow one is in use");
  world.expect(client.course.switches === 1, `${client.course.switches} switches, not one`);
  near!.latencyMs = 20;
  world.runUntil(72 * HOUR_MS);
  world.expect(client.inUse === near!.url, "the fast one is not in use again");
  world.expect(client.course.switches === 2, `${client.course.switches} switches, not two`);
  world.end();
  return world;
}

/** The nearest answers probes but no announce: it costs a try now and then, and never an event. */
function playLiar(seed: number): World {
  const world = threeTrackers(seed);
  const { client, trackers: [near, next] } = world;
  near!.behaviour = "lying";
  client.start();
  world.at(HOUR_MS, () => client.complete());
  world.runUntil(48 * HOUR_MS);
  world.expect(client.inUse === next!.url, `${client.inUse} is in use, not the next`);
  const { firstAnswerMs, longestGapMs } = client.course;
  world.expect((firstAnswerMs ?? Infinity) <= 200, `first answer after ${firstAnswerMs} ms`);
  world.expect(longestGapMs <= 200, `${longestGapMs} ms without a tracker`);
  world.expect(near!.announceCount <= 24, `${near!.announceCount} announces to the liar in 48 h`);
  world.expect(completionsOf(world) === 1, `${completionsOf(world)} completions were heard`);
  world.end();
  return world;
}

/** Both of the first tier are silent at the start: the second tier is asked after three seconds. */
function playSilentTier(seed: number): World {
  const world = new World(seed, [[20, 30], [60, 150]]);
  const { client, tiers } = world;
  tiers[0]!.forEach((tracker) => tracker.behaviour = "silent");
  client.start();
  world.runUntil(10_000);
  const { firstAnswerMs } = client.course;
  world.expect(firstAnswerMs === 3120, `first answer after ${firstAnswerMs} ms, not 3120`);
  tiers[0]![1]!.behaviour = "up";
  world.runUntil(2 * HOUR_MS);
  world.expect(client.inUse === tiers[0]![1]!.url, "the first tier is not used again");
  world.end();
  return world;
}

/** The program ends and begins again: the order is known, and a completion is not told a second time. */
function playRestart(seed: number): World {
  const world = threeTrackers(seed);
  world.client.start();
  world.at(HOUR_MS, () => world.client.complete());
  world.runUntil(2 * HOUR_MS);
  const { announcer } = world.client;
  const isTold = announcer.hasToldCompletion;
  const memory = announcer.memory();
  world.end();
  world.client = world.makeClient({ memory });
  const order = world.client.announcer.status().map(({ url }) => url);
  const nearest = world.trackers.map(({ url }) => url);
  world.expect(`${order}` === `${nearest}`, `the order is ${order} after a start`);
  world.client.start(isTold);
  world.client.complete();
  world.runUntil(4 * HOUR_MS);
  world.expect(completionsOf(world) === 1, `${completionsOf(world)} completions were heard`);
  world.end();
  return world;
}

/** All die before the completion, and the program ends; what nobody heard is told at the next start, once. */
function playRestartOwing(seed: number): World {
  const world = threeTrackers(seed);
  const { trackers } = world;
  world.client.start();
  world.at(HOUR_MS, () => trackers.forEach((tracker) => tracker.behaviour = "down"));
  world.at(2 * HOUR_MS, () => world.client.complete());
  world.runUntil(3 * HOUR_MS);
  const { announcer } = world.client;
  world.expect(!announcer.hasToldCompletion, "a completion is believed to be told");
  const memory = announcer.memory();
  world.end();
  trackers.forEach((tracker) => tracker.restart());
  world.client = world.makeClient({ memory });
  world.client.start(true, { toldTo: announcer.toldCompletion });
  world.runUntil(6 * HOUR_MS);
  world.expect(completionsOf(world) === 1, `${completionsOf(world)} completions were heard`);
  world.end();
  return world;
}

/** The nearest hears all, but its answers are lost: an event goes on to the next, and nobody hears it twice. */
function playAnswersLost(seed: number): World {
  const world = threeTrackers(seed);
  const { client, trackers: [near, next] } = world;
  client.start();
  world.at(HOUR_MS + MINUTE_MS, () => near!.behaviour = "deaf");
  world.at(HOUR_MS + 2 * MINUTE_MS, () => client.complete());
  world.runUntil(6 * HOUR_MS);
  world.expect(client.inUse === next!.url, `${client.inUse} is in use, not the next`);
  const heard = world.trackers.map(({ completions }) => completions);
  world.expect(`${heard}` === "1,1,0", `completions were heard ${heard} times`);
  const { longestGapMs } = client.course;
  world.expect(longestGapMs <= 15_200, `${longestGapMs} ms without a tracker`);
  near!.behaviour = "up";
  world.end();
  return world;
}

/** All are told, each in its own time; one that is down keeps nobody else waiting. */
function playAnnounceToAll(seed: number): World {
  const world = threeTrackers(seed, { toAll: true });
  const { client, trackers } = world;
  trackers[0]!.behaviour = "silent";
  client.start();
  world.at(HOUR_MS, () => client.complete());
  world.runUntil(3 * HOUR_MS);
  const told = trackers.map(({ completions }) => completions);
  world.expect(`${told}` === "0,1,1", `completions were heard ${told} times`);
  trackers[0]!.behaviour = "up";
  world.runUntil(4 * HOUR_MS);
  world.expect(trackers.every(({ knowsUs }) => knowsUs), "not all know us");
  world.expect(completionsOf(world) === 3, `${completionsOf(world)} completions were heard`);
  world.end();
  return world;
}

/** A day of trackers that do as they please, with a completion and long times without peers. */
function playChaos(seed: number): World {
  const world = new World(seed, [[20, 60], [150, 300]]);
  const { client, random, trackers } = world;
  const behaviours: readonly Behaviour[] = ["up", "up", "down", "silent", "lying"];
  const change = (): void => {
    const tracker = trackers[Math.floor(random() * trackers.length)]!;
    tracker.behaviour = behaviours[Math.floor(random() * behaviours.length)]!;
    tracker.latencyMs = 10 + random() * 4000;
    world.clock.after(random() * 20 * MINUTE_MS, change);
  };
  const want = (): void => {
    client.wantPeers();
    world.clock.after(random() * 10 * MINUTE_MS, want);
  };
  client.start();
  change();
  want();
  world.at(random() * 20 * HOUR_MS, () => client.complete());
  world.runUntil(24 * HOUR_MS);
  trackers.forEach((tracker) => {
    tracker.behaviour = "up";
    tracker.latencyMs = 50;
  });
  world.runUntil(25 * HOUR_MS);
  world.expect(completionsOf(world) === 1, `${completionsOf(world)} completions were heard`);
  world.expect(client.announcer.status().some(({ knowsUs }) => knowsUs), "nobody knows us");
  world.end();
  return world;
}

function completionsOf(world: World): number {
  return world.trackers.reduce((sum, { completions }) => sum + completions, 0);
}

/** All of them, in the order of the table. */
export const scenarios: readonly Scenario[] = [
  { name: "three up", play: playThreeUp },
  { name: "the primary dies", play: (seed) => playPrimaryDies(seed, "down", 200) },
  { name: "the primary falls silent", play: (seed) => playPrimaryDies(seed, "silent", 15_200) },
  { name: "all die", play: playAllDie },
  { name: "one returns", play: playOneReturns },
  { name: "the primary returns", play: playPrimaryReturns },
  { name: "the primary slows down", play: playSlowsDown },
  { name: "the nearest lies", play: playLiar },
  { name: "the first tier is silent", play: playSilentTier },
  { name: "a restart", play: playRestart },
  { name: "a restart that owes", play: playRestartOwing },
  { name: "answers are lost", play: playAnswersLost },
  { name: "all are told", play: playAnnounceToAll },
  { name: "trackers as they please", play: playChaos },
];

/** What a scenario came to over some seeds. */
export interface Summary {
  /** The greatest of each figure of a course. */
  readonly course: Course;
  /** What did not hold, with the seed that shows it. */
  readonly faults: readonly string[];
}

/** Plays a scenario with each seed. */
export function playAll({ name, play }: Scenario, seeds: readonly number[]): Summary {
  const faults: string[] = [];
  let course: Course | null = null;
  for (const seed of seeds) {
    const world = play(seed);
    faults.push(...world.faults.map((fault) => `${name}, seed ${seed}: ${fault}`));
    course = course === null ? world.client.course : greatest(course, world.client.course);
  }
  return { course: course!, faults };
}

function greatest(a: Course, b: Course): Course {
  const result = { ...a };
  for (const key of Object.keys(b) as (keyof Course)[]) {
    result[key] = Math.max(a[key] ?? 0, b[key] ?? 0);
  }
  return result;
}
