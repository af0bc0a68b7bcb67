/**
 * What a tracker tells the others of its group, and what it makes of their words.
 *
 * @module
 */
import { type Announcement, type HeardRecord, LEFT_GONE, TTL_SECONDS_MAX } from "@enjambre/overlay";
import { PEER_TTL_INTERVALS, PEER_TTL_MARGIN_MS, type ReplicatedAnnounce } from "@enjambre/tracker";
import {
  addressOf,
  afterOf,
  announceOf,
  isLater,
  latestIn,
  latestOf,
  livingOf,
  readWord,
  SAME_TIME_MS,
  slotsOf,
  slotsOfRecord,
  type Word,
  writeNote,
} from "./cluster_words.ts";

/**
 * A peer that says nothing new is told of again after this part of the interval: what it says between, as one in
 * want of peers does every minute, costs the group nothing. Others may forget it so much earlier.
 */
export const REFRESH_PART: number = 1 / 4;

/**
 * Stops of peers of which nothing is known that the others are told of, in the time that such a word lives. Others
 * whom we do not reach may know the peer. But anybody can make one up: all of these take a tenth of the room.
 */
const UNKNOWN_STOPS_MAX = 10_000;

/** The longest interval that a group can have: a record lives two hours at most. */
export const CLUSTER_INTERVAL_SECONDS_MAX: number = Math.floor(
  (TTL_SECONDS_MAX - PEER_TTL_MARGIN_MS / 1000) / PEER_TTL_INTERVALS,
);

/** The replicated map, as far as a {@linkcode ClusterReplica} needs it. */
export interface ClusterMap {
  /** Our own public key. */
  readonly owner: string;
  /** Whether there is no room for more. */
  readonly isFull: boolean;
  /** Tells something to all members. */
  announce(announcement: Announcement): void;
  /** What all owners say under a slot. */
  recordsIn(infoHash: string, slot: string): readonly HeardRecord[];
}

/**
 * Decides what is told to the others of a group of trackers, and what is taken from them.
 *
 * Every tracker keeps records of what it heard itself; all of them hold all records. What is known of a peer is
 * what the latest word says, whoever said it; a word that the peer has stopped ends all words before it. So it
 * does not matter in which order words come, nor whom a peer announced to before.
 *
 * The records are the group's memory: who is new, or was away, takes what it lacks of them and has the swarms.
 */
export class ClusterReplica {
  readonly #map: ClusterMap;
  readonly #take: (announce: ReplicatedAnnounce) => void;
  readonly #ttlSeconds: number;
  readonly #refreshMs: number;
  #unknownStops = 0;
  #unknownStopsFromMs = -Infinity;
  /** Announces of newcomers that the others were not told of, for want of room. */
  refused = 0;

  /** @param take takes what others accepted, as a tracker's store does */
  constructor(
    map: ClusterMap,
    intervalSeconds: number,
    take: (announce: ReplicatedAnnounce) => void,
  ) {
    this.#map = map;
    this.#take = take;
    this.#ttlSeconds = intervalSeconds * PEER_TTL_INTERVALS + PEER_TTL_MARGIN_MS / 1000;
    this.#refreshMs = 1000 * intervalSeconds * REFRESH_PART;
  }

  /** Takes an announce that our tracker accepted. */
  handleAnnounce(announce: ReplicatedAnnounce, nowMs: number): void {
    const infoHash = announce.infoHash.toHex();
    const slots = slotsOf(announce.peerId);
    const slot = slots[announce.address.length === 4 ? 0 : 1];
    const words = this.#wordsOf(infoHash, slots, nowMs);
    const isStopped = announce.event === "stopped";
    if (words.length === 0 && (this.#map.isFull || (isStopped && !this.#mayStopUnknown(nowMs)))) {
      this.refused++;
      return;
    }
    const living = livingOf(words);
    // It may as well tell all trackers.
    const isTold = words.some(({ isGone, heardMs }) => isGone && nowMs < heardMs + SAME_TIME_MS);
    if (isStopped && isTold && living.length === 0) return;
    const address = addressOf(announce);
    const left = isStopped ? LEFT_GONE : announce.seed ? 0 : 1;
    const latest = latestIn(living, slot);
    // Each word repeats what the one before it said of these.
    const last = latestOf(living);
    const said = {
      key: announce.key !== 0 ? announce.key | 0 : last?.key ?? 0,
      isCompleted: announce.event === "completed" || last?.isCompleted === true,
      hostname: announce.hostname,
    };
    if (
      latest !== null && nowMs < latest.heardMs + this.#refreshMs &&
      latest.record.address === address && latest.record.left === left && latest.key === said.key &&
      latest.isCompleted === said.isCompleted && latest.hostname === said.hostname
    ) return;
    // It has to outlive what it ends.
    const ttlSeconds = isStopped
      ? Math.max(this.#ttlSeconds, ...words.map(({ record }) => record.ttlSeconds))
      : this.#ttlSeconds;
    this.#map.announce({
      infoHash,
      address,
      peerId: announce.peerId.toHex(),
      left,
      onBehalf: {
        slot,
        ttlSeconds,
        note: writeNote({ ...said, after: afterOf(words, this.#map.owner) }),
      },
    });
  }

  /** Takes note of a record that the map took, or (`isTaken` false) that expired there. */
  handleRecord({ record }: HeardRecord, isTaken: boolean, nowMs: number): void {
    // What we say ourselves our store has already, and forgets in its own time.
    if (record.owner === this.#map.owner) return;
    const slots = slotsOfRecord(record);
    if (slots === null) return;
    const words = this.#wordsOf(record.infoHash, slots, nowMs);
    const living = livingOf(words);
    if (!isTaken) {
      const word = readWord({ record, heardMs: nowMs });
      if (!word.isGone && living.length === 0) this.#give(word, "stopped");
      return;
    }
    const word = words.find((each) => each.record === record);
    if (word === undefined) return;
    if (!word.isGone) {
      if (latestIn(living, record.slot) === word) this.#give(word);
      return;
    }
    const ended = words.filter((each) => !each.isGone && isLater(word, each));
    if (ended.length === 0 && living.length > 0) return;
    // It may be there again since. A peer that stays is not removed, nor does it complete once more.
    const stays = living.length > 0 &&
      ended.every(({ record }) => latestIn(living, record.slot) !== null);
    if (!stays) this.#give(word, "stopped");
    for (const slot of slots) {
      const latest = latestIn(living, slot);
      if (latest !== null) this.#give(latest, "");
    }
  }

  #mayStopUnknown(nowMs: number): boolean {
    if (nowMs >= this.#unknownStopsFromMs + 1000 * this.#ttlSeconds) {
      this.#unknownStopsFromMs = nowMs;
      this.#unknownStops = 0;
    }
    return this.#unknownStops++ < UNKNOWN_STOPS_MAX;
  }

  #give(
    word: Word,
    event: ReplicatedAnnounce["event"] = word.isCompleted ? "completed" : "",
  ): void {
    const announce = announceOf(word, event);
    if (announce !== null) this.#take(announce);
  }

  /** What is said of a peer and has not expired. */
  #wordsOf(infoHash: string, slots: readonly string[], nowMs: number): Word[] {
    const words: Word[] = [];
    for (const slot of slots) {
      for (const heard of this.#map.recordsIn(infoHash, slot)) {
        const { record, heardMs } = heard;
        if (heardMs + 1000 * record.ttlSeconds > nowMs) words.push(readWord(heard));
      }
    }
    return words;
  }
}
