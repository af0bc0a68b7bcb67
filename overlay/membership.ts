/**
 * Whom a node knows: a bounded, random part of the others, and which of them answer.
 *
 * @module
 */

/** Members that a node remembers unless told otherwise: a random part of a large overlay, all of a small one. */
export const MEMBERS_MAX = 256;
/** And where each record is on so many nodes that were told: then all are to be known. Two megabytes. */
export const MEMBERS_MAX_REPLICATED = 16_384;
/** Members that are gone and may be back some day, as after a partition; one is tried now and then. */
const GONE_MAX = 256;
/** A part of the members, one in so many, may be hearsay that displaces others. */
const HINTED_PART = 4;
/** How long one that is gone is not taken from the word of others. */
const GONE_MS = 60_000;

/** What we know of a member. */
export interface Member {
  /** `host:port` on which it listens. */
  readonly address: string;
  /**
   * `hinted`: others named it. `alive`: it answered us, which alone counts. `suspect`: it does not answer,
   * nor has anybody else reached it for us.
   */
  state: "hinted" | "alive" | "suspect";
  /** When we last heard from itself. */
  heardMs: number;
}

/** What a {@linkcode Membership} is made from. */
export interface MembershipOptions {
  /** Our own address, which is no member. */
  readonly ownAddress: string;
  /** Where to begin, and to begin again when nobody is left. */
  readonly bootstrap: readonly string[];
  /** Numbers from 0 up to 1. */
  readonly random: () => number;
  /** Default: {@linkcode MEMBERS_MAX}. */
  readonly membersMax?: number;
}

/**
 * The members: who came by our own experience or the word of others, who answers, who is gone.
 *
 * Nobody is believed about another: what others say makes a member worth a try, and only its own answer makes
 * it one that is passed on. So there is nothing to forge, and a suspicion is refuted by answering.
 */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #max: number;
  readonly #members = new Map<string, Member>();
  /** Whose turn is next: all members in random order, then all again. */
  #turns: string[] = [];
  /** Since when who is gone. */
  readonly #gone = new Map<string, number>();
  /** Under which addresses we are known ourselves. */
  readonly #own: Set<string>;

  /** Knows nobody but where to begin. */
  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#max = options.membersMax ?? MEMBERS_MAX;
    this.#own = new Set([options.ownAddress]);
    for (const address of options.bootstrap) this.#add(address, "hinted", -Infinity);
  }

  /** How many members there are. */
  get size(): number {
    return this.#members.size;
  }

  /** Whether there is no room for another. */
  get isFull(): boolean {
    return this.#members.size >= this.#max;
  }

  /** All members. */
  all(): Iterable<Readonly<Member>> {
    return this.#members.values();
  }

  /** Those who were given up, the latest last. */
  gone(): Iterable<string> {
    return this.#gone.keys();
  }

  /** One of them. */
  get(address: string): Readonly<Member> | null {
    return this.#members.get(address) ?? null;
  }

  /** Notes that an address is another one of ours, and no member. */
  addOwnAddress(address: string): void {
    this.#own.add(address);
    this.#members.delete(address);
    this.#gone.delete(address);
  }

  /** Notes that a member itself answered. @returns whether it was not known to be alive before */
  hear(address: string, nowMs: number): boolean {
    if (this.#own.has(address)) return false;
    const member = this.#members.get(address) ?? this.#add(address, "hinted", nowMs);
    const isNews = member.state !== "alive";
    member.state = "alive";
    member.heardMs = nowMs;
    this.#gone.delete(address);
    return isNews;
  }

  /** Takes somebody's word that there is such a member. @returns whether it is new to us */
  hint(address: string, nowMs: number): boolean {
    if (this.#own.has(address) || this.#members.has(address)) return false;
    const goneMs = this.#gone.get(address);
    if (goneMs !== undefined && nowMs < goneMs + GONE_MS) return false;
    this.#add(address, "hinted", nowMs);
    return true;
  }

  /** Notes that a member does not answer. */
  suspect(address: string): void {
    const member = this.#members.get(address);
    if (member !== undefined) member.state = "suspect";
  }

  /** Notes that a suspicion was not borne out: the member is as good as heard of. */
  clear(address: string): void {
    const member = this.#members.get(address);
    if (member?.state === "suspect") member.state = "hinted";
  }

  /** Gives a member up. */
  remove(address: string, nowMs: number): void {
    if (!this.#members.delete(address)) return;
    this.#gone.delete(address);
    this.#gone.set(address, nowMs);
    if (this.#gone.size > GONE_MAX) this.#gone.delete(this.#gone.keys().next().value!);
  }

  /**
   * The member whose turn it is: all take turns in random order, so that each is tried within as many turns
   * as there are members.
   */
  next(): string | null {
    if (this.#members.size === 0) return null;
    for (;;) {
      if (this.#turns.length === 0) this.#turns = this.#some([...this.#members.keys()], Infinity);
      const address = this.#turns.pop()!;
      if (this.#members.has(address)) return address;
    }
  }

  /** One that was given up, or where to begin: how an overlay that fell apart finds itself again. */
  lost(): string | null {
    const begin = this.#options.bootstrap.filter((address) =>
      !this.#members.has(address) && !this.#own.has(address)
    );
    const choices = [...begin, ...this.#gone.keys()];
    return choices[Math.floor(this.#options.random() * choices.length)] ?? null;
  }

  /** Some members that are alive, at random, without one. */
  sample(count: number, except: string | null): string[] {
    const alive: string[] = [];
    for (const { address, state } of this.#members.values()) {
      if (state === "alive" && address !== except) alive.push(address);
    }
    return this.#some(alive, count);
  }

  /** Some members to send to, at random: also those only heard of and suspects, who are mostly there too. */
  targets(count: number, except: string | null): string[] {
    return this.#some([...this.#members.keys()].filter((address) => address !== except), count);
  }

  #add(address: string, state: Member["state"], heardMs: number): Member {
    if (this.isFull) this.#evict();
    const member: Member = { address, state, heardMs };
    if (!this.#own.has(address)) this.#members.set(address, member);
    return member;
  }

  /**
   * Makes room: a random member goes, so that those who stay are a random part. Where many are known by
   * hearsay only, one of them goes: names that somebody invents cannot displace those who answer.
   */
  #evict(): void {
    const all = [...this.#members.values()];
    const hinted = all.filter(({ state }) => state === "hinted");
    const choices = HINTED_PART * hinted.length > all.length ? hinted : all;
    this.#members.delete(choices[Math.floor(this.#options.random() * choices.length)]!.address);
  }

  /** Takes `count` at random out of a list, which is changed. */
  #some(list: string[], count: number): string[] {
    const taken = Math.min(count, list.length);
    for (let at = 0; at < taken; at++) {
      const other = at + Math.floor(this.#options.random() * (list.length - at));
      [list[at], list[other]] = [list[other]!, list[at]!];
    }
    list.length = taken;
    return list;
  }
}
