/**
 * A node of the overlay: composes the map, the members, and what they say to others.
 *
 * @module
 */

import { Detector } from "./detector.ts";
import { Finder } from "./finder.ts";
import { Intake, type Way } from "./intake.ts";
import { MEMBERS_MAX_REPLICATED, Membership } from "./membership.ts";
import { type Carried, decodeMessage, encodeMessage, type Message } from "./messages.ts";
import type { NodeOptions } from "./options.ts";
import { type Announcement, OwnRecords } from "./own_records.ts";
import { Publisher } from "./publisher.ts";
import { Reconciler, type Send } from "./reconciler.ts";
import type { SignedRecord } from "./record.ts";
import { type Provider, RecordMap } from "./record_map.ts";
import { Holders } from "./replication.ts";
import { MANY_MEMBERS, Rounds, SAMPLE } from "./rounds.ts";
import { Rumors } from "./rumors.ts";
import { type Offence, POINTS_MAX, Senders } from "./senders.ts";
import { type NodeStatus, Traffic } from "./status.ts";

/** Between two beats of ours: a record outlives two that are lost. */
export const BEAT_MS = 30_000;
/** Members that are told who came or went. */
const MEMBERS_TOLD = 3;
/** How long the answer to a question may take to count as one. */
const ASKED_MS = 10_000;
/** Whoever was heard so lately is not asked whether it is gone. */
const FRESH_MS = 8000;
/** Those named as gone in a message that are asked. */
const GONE_ASKED = 4;

/** What a {@linkcode Node} asks for. */
export interface NodeSink {
  /**
   * Sends a line, without its end, to a connection that somebody made to us (its name begins with `#`), or
   * to a member's address, connecting first where need be. What cannot be sent is lost.
   */
  send(to: string, line: string): void;
  /** Closes a connection and refuses whoever is behind it for a while. */
  refuse(endpoint: string, offence: Offence): void;
}

/**
 * One node. Lines, completions and the time come in; lines go out through the sink.
 *
 * The contract is that of all machines here: one input, then what it asks of its sink, then `nextDeadlineMs`
 * is read again. All times are of one monotonic clock, but for `wallMs`, which numbers our own records.
 */
export class Node {
  /** What we know. */
  readonly map: RecordMap;
  /** Whom we know. */
  readonly membership: Membership;
  readonly #options: NodeOptions;
  readonly #sink: NodeSink;
  readonly #traffic = new Traffic();
  readonly #senders = new Senders();
  readonly #intake: Intake;
  readonly #reconciler: Reconciler;
  readonly #detector: Detector;
  readonly #rumors: Rumors;
  readonly #holders: Holders;
  readonly #publisher: Publisher;
  readonly #finder: Finder;
  readonly #rounds: Rounds;
  readonly #send: Send;
  #beatMs = Infinity;
  /** The time of the input that is being handled. */
  #nowMs = 0;
  /** When an exchange last found nothing to fetch. */
  #inStepMs: number | null = null;
  /** Whether the last exchange left something to fetch. */
  #lacksMore = false;

  /** Makes a node, which does nothing before `start`. */
  constructor(options: NodeOptions, sink: NodeSink) {
    this.#options = options;
    this.#sink = sink;
    const ownKey = options.signer.owner;
    const send: Send = (to, message) => {
      const line = encodeMessage(message);
      this.#traffic.count(message.type, line.length + 1);
      if (message.type === "sync") this.#senders.of(to, this.#nowMs).owesAnswer = true;
      sink.send(to, line);
    };
    this.#send = send;
    this.map = new RecordMap({ ...options, ownKey });
    this.membership = new Membership({
      ...(typeof options.replication === "number" && { membersMax: MEMBERS_MAX_REPLICATED }),
      ...options,
      ownAddress: options.address,
    });
    this.#intake = new Intake(this.map, { ...options, ownKey }, {
      taken: (carried, from, way) => this.#taken(carried, from, way),
      blame: (from, offence) => this.#blame(from, offence, 1),
    });
    this.#reconciler = new Reconciler(this.map, send, options.random);
    this.#detector = new Detector(this.membership, {
      send,
      missed: () => this.#rounds.handleMissed(this.#nowMs),
      gone: (address) => this.#tellMembers([], [address]),
    });
    this.#rumors = new Rumors(this.membership, send, () => this.#detector.trouble);
    this.#holders = new Holders(options.address, this.membership, options.replication);
    const shared = { map: this.map, holders: this.#holders, send };
    this.#publisher = new Publisher({
      ...shared,
      own: new OwnRecords(options.signer, options.hash, options.makeSecret),
      reconciler: this.#reconciler,
      rumors: this.#rumors,
    });
    this.#finder = new Finder({ ...shared, intake: this.#intake });
    this.#rounds = new Rounds({
      membership: this.membership,
      reconciler: this.#reconciler,
      detector: this.#detector,
      holders: this.#holders,
      random: options.random,
      isTrusted: options.isTrusted === true,
      send,
    });
  }

  /** Our public key. */
  get owner(): string {
    return this.#options.signer.owner;
  }

  /** Begins: goes to where it was told to begin, and on in rounds. */
  start(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#beatMs = nowMs + BEAT_MS;
    this.#rounds.start(nowMs);
  }

  /** When `handleTime` is to be called. */
  get nextDeadlineMs(): number {
    return Math.min(
      this.#rounds.nextDeadlineMs,
      this.#beatMs,
      this.#intake.nextDeadlineMs,
      this.#detector.nextDeadlineMs,
      this.#rumors.nextDeadlineMs,
      this.#finder.nextDeadlineMs,
      this.map.nextExpiryMs,
    );
  }

  /** Does what is due. */
  handleTime(nowMs: number): void {
    this.#nowMs = nowMs;
    this.map.expire(nowMs);
    this.#work(nowMs);
    this.#detector.handleTime(nowMs);
    this.#rumors.handleTime(nowMs);
    this.#finder.handleTime(nowMs);
    if (nowMs >= this.#beatMs) this.#beat();
    this.#rounds.handleTime(nowMs);
  }

  /** Announces a provider, ourselves or one that we speak for. @returns the record, as it travels */
  announce(announcement: Announcement, nowMs: number, wallMs: number): SignedRecord {
    this.#nowMs = nowMs;
    return this.#publisher.announce(announcement, nowMs, wallMs);
  }

  /** Tells that a provider left; nothing where it is not known. */
  leave(infoHash: string, slot: string, nowMs: number, wallMs: number): void {
    this.#nowMs = nowMs;
    this.#publisher.leave(infoHash, slot, nowMs, wallMs);
  }

  /** Tells that all that we provide ourselves has left, as before the end. */
  leaveAll(nowMs: number, wallMs: number): void {
    this.#nowMs = nowMs;
    this.#publisher.leaveAll(nowMs, wallMs);
  }

  /**
   * Finds providers: those known here, the most recently heard of first; where they are too few, also those
   * that up to three others know (with replication: the nodes that hold the info-hash).
   *
   * @param done is told within {@linkcode LOOKUP_MS}; at once where enough are known
   */
  lookup(
    infoHash: string,
    wanted: number,
    done: (providers: Provider[]) => void,
    nowMs: number,
  ): void {
    this.#nowMs = nowMs;
    this.#finder.lookup(infoHash, wanted, done, nowMs);
  }

  /** Has the node keep up with an info-hash, also where its records are on other nodes; `unwatch` ends it. */
  watch(infoHash: string, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#finder.watch(infoHash, nowMs);
  }

  /** Ends what `watch` began. */
  unwatch(infoHash: string): void {
    this.#finder.unwatch(infoHash);
  }

  /** Notes where the other end of a connection that was made to us says it listens. */
  handleGreeting(endpoint: string, address: string, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#senders.of(endpoint, nowMs).address = address;
    if (this.membership.get(address) !== null || address === this.#options.address) return;
    this.#welcome([address]);
    // It may say what it likes: whether it is there, its own answer tells. Who shares our secret is asked also
    // if it was gone a moment ago.
    const { isTrusted = false } = this.#options;
    if (isTrusted || this.membership.get(address) !== null) this.#detector.ping(address, nowMs);
  }

  /** Notes that a connection that we made to an address led back to us. */
  handleOurselves(address: string): void {
    this.membership.addOwnAddress(address);
    this.#detector.hear(address);
  }

  /** Takes a line. */
  handleLine(from: string, line: string, nowMs: number): void {
    this.#nowMs = nowMs;
    const message = decodeMessage(line);
    if (message === null) return this.#blame(from, "malformed", 1);
    this.#traffic.received(line.length + 1);
    // Whom we dialled is who it is; whoever dialled us may say what it likes.
    if (!from.startsWith("#")) {
      this.membership.hear(from, nowMs);
      this.#detector.hear(from);
    }
    this.#dispatch(from, message);
    this.#work(nowMs);
  }

  /** Notes that a connection brought what is no line at all. */
  handleMalformed(from: string, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#blame(from, "malformed", 1);
  }

  /** Notes that a connection ended, or could not be made. */
  handleClosed(endpoint: string, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#senders.delete(endpoint);
    this.#finder.handleUnreachable(endpoint, nowMs);
    this.#detector.handleUnreachable(endpoint, nowMs);
  }

  /** How the node is. */
  status(nowMs: number): NodeStatus {
    const members = { hinted: 0, alive: 0, suspect: 0 };
    for (const { state } of this.membership.all()) members[state]++;
    return {
      address: this.#options.address,
      owner: this.owner,
      members,
      records: this.map.size,
      chains: this.map.beats.size,
      digest: this.map.digests.root,
      rounds: this.#rounds.count,
      lagMs: this.#inStepMs === null ? null : nowMs - this.#inStepMs,
      replicas: this.#holders.replicas,
      suspicions: this.#detector.suspicions,
      verified: this.#intake.verified,
      refused: this.#intake.refused,
      offences: { ...this.#senders.offences },
      traffic: this.#traffic.totals(),
    };
  }

  #dispatch(from: string, message: Message): void {
    const nowMs = this.#nowMs;
    switch (message.type) {
      case "sync":
        return this.#handleSync(from, message);
      case "answer":
        this.#takeBeats(from, message.beats);
        this.#learn(from, this.#welcome(message.members));
        if (this.#reconciler.handleAnswer(from, message, nowMs)) this.#ask(from);
        else if (message.buckets === "") this.#inStepMs = nowMs;
        return;
      case "list":
        if (this.#reconciler.handleList(from, message, nowMs)) this.#ask(from);
        return;
      case "want":
        return this.#reconciler.handleWant(from, message, nowMs);
      case "records":
        this.#lacksMore ||= message.more ||
          this.#reconciler.isPartial && message.records.length > 0;
        return this.#offer(from, message.records, "records");
      case "push":
        return this.#offer(from, message.records, "push");
      case "beats":
        return this.#takeBeats(from, message.beats);
      case "keep":
        return this.#handleKeep(from, message);
      case "ping":
        return this.#send(from, { type: "pong" });
      case "probe":
        return this.#detector.handleProbe(from, message.address, nowMs);
      case "alive":
        return this.#detector.handleAlive(message.address);
      case "members":
        return this.#handleMembers(message);
      case "lookup":
        return this.#finder.handleLookup(from, message, nowMs);
      case "providers":
        return this.#finder.handleProviders(from, message, nowMs);
    }
  }

  #handleSync(from: string, sync: Message & { type: "sync" }): void {
    this.#welcome(sync.members);
    if (this.#reconciler.giveNews(from, sync, this.#nowMs)) this.#ask(from);
    const few = sync.few ? MANY_MEMBERS : SAMPLE;
    this.#send(from, {
      type: "answer",
      ...this.#reconciler.answer(sync, this.#nowMs),
      members: this.membership.sample(few, this.#senders.addressOf(from)),
    });
  }

  #handleKeep(from: string, keep: Message & { type: "keep" }): void {
    this.#takeBeats(from, keep.beats);
    const unknown = keep.marks.filter((mark) => !this.map.digests.has(mark, keep.buckets));
    if (unknown.length === 0) return;
    this.#ask(from);
    this.#send(from, { type: "want", buckets: keep.buckets, marks: unknown });
  }

  #handleMembers({ joined, gone }: Message & { type: "members" }): void {
    this.#welcome(joined);
    for (const address of gone.slice(0, GONE_ASKED)) {
      const member = this.membership.get(address);
      if (member === null || this.#nowMs < member.heardMs + FRESH_MS) continue;
      this.#detector.ping(address, this.#nowMs);
    }
  }

  /** Goes on with what came, and with the next exchange once it is worked off: what waits would come again. */
  #work(nowMs: number): void {
    this.#intake.work(nowMs);
    if (this.#intake.nextDeadlineMs < Infinity) return;
    // What was dropped in a flood is fetched at once, where it is no stranger's.
    const hasDropped = this.#intake.takeDropped() && this.#options.isTrusted === true;
    if (!this.#lacksMore && !hasDropped) return;
    this.#lacksMore = false;
    this.#rounds.hasten(nowMs);
  }

  #offer(from: string, records: readonly Carried[], way: Way): void {
    const sender = this.#senders.of(from, this.#nowMs);
    const isAnswer = way === "records" && this.#nowMs < sender.askedUntilMs;
    const { isTrusted = false } = this.#options;
    let floods = 0;
    for (const carried of records) {
      if (isAnswer || isTrusted || sender.push.take(this.#nowMs)) {
        this.#intake.offer(from, carried, way, this.#nowMs);
      } else floods++;
    }
    this.#blame(from, "flood", floods);
  }

  #taken(carried: Carried, from: string, way: Way): void {
    const { record } = carried;
    this.#reconciler.note(record);
    if (record.owner === this.owner) {
      this.#publisher.outbid(record, this.#nowMs);
    } else if (way === "push" && this.#holders.replicas === null) {
      this.#rumors.add(carried, this.#senders.addressOf(from), this.#nowMs);
    }
  }

  #takeBeats(from: string, packed: Uint8Array): void {
    const { wrong } = this.map.beats.take(packed, 10 * POINTS_MAX, this.#nowMs);
    this.#blame(from, "wrongBeat", wrong);
  }

  #blame(from: string, offence: Offence, count: number): void {
    if (!this.#senders.blame(from, offence, count, this.#nowMs)) return;
    this.#intake.drop(from);
    this.#sink.refuse(from, offence);
  }

  #ask(from: string): void {
    this.#senders.of(from, this.#nowMs).askedUntilMs = this.#nowMs + ASKED_MS;
  }

  /**
   * Takes others' word that these are members; who is new is told on, while there is room for all.
   *
   * @returns whether any is new
   */
  #welcome(addresses: readonly string[]): boolean {
    const joined = addresses.filter((address) => this.membership.hint(address, this.#nowMs));
    if (!this.membership.isFull) this.#tellMembers(joined, []);
    // Among few who trust each other, it is worth a ping to know at once who is there.
    if (this.#options.isTrusted === true) {
      for (const address of joined) this.#detector.ping(address, this.#nowMs);
    }
    return joined.length > 0;
  }

  /**
   * Who knows all members knows who is to hold our records: those are told at once. An answer that we did not
   * ask for teaches nothing, and no answers have us tell all of them over and over.
   */
  #learn(from: string, hasNews: boolean): void {
    const sender = this.#senders.of(from, this.#nowMs);
    if (!sender.owesAnswer) return;
    sender.owesAnswer = false;
    if (!this.#holders.isAllToBeKnown || !this.#rounds.learn(hasNews, this.#nowMs)) return;
    this.#publisher.handleLearnt(this.#nowMs);
  }

  #tellMembers(joined: readonly string[], gone: readonly string[]): void {
    if (joined.length + gone.length === 0) return;
    for (const to of this.membership.targets(MEMBERS_TOLD, joined[0] ?? null)) {
      this.#send(to, { type: "members", joined, gone });
    }
  }

  #beat(): void {
    this.#beatMs += BEAT_MS;
    this.#publisher.beat(this.#nowMs);
    this.#finder.lookUpWatched(this.#nowMs);
  }
}
