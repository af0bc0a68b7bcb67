/**
 * Who was asked for which block, and when. One table, one owner.
 *
 * The invariant that the whole download rests on: *a block of a begun piece is exactly one of missing,
 * requested from a live peer, or received*. What a peer that leaves, chokes, rejects or stalls had been
 * asked for is missing again when the call that says so returns.
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";

/** Nobody who is still expected to answer was asked. */
export const MISSING = 0;
/** At least one live peer was asked. */
export const REQUESTED = 1;
/** The block is in the piece's buffer. */
export const RECEIVED = 2;

/** Where a list of requests ends. */
const NONE = -1;

/** Of pieces of which nothing was lost: nearly all of them. */
const NEVER_LOST = new Float64Array(0);

/** A piece that is being fetched. */
export class BegunPiece {
  /** The piece's index. */
  readonly piece: number;
  /** Exactly one piece long; received blocks stand at their place. Owned by the download until it is stored. */
  readonly data: Uint8Array;
  /** How many blocks the piece has. */
  readonly blockCount: number;
  /** How many blocks nobody is asked for. */
  missing: number;
  /** How many blocks are here. */
  received = 0;
  /** When a block last came, or the piece was begun. Kept by the downloader. */
  progressAtMs = 0;
  /** The one connection that is asked for all of it, because it failed its hash before; -1 for any. Kept by the downloader. */
  soleConnection = -1;
  /** `MISSING`, `REQUESTED` or `RECEIVED` for each block. */
  readonly states: Uint8Array;
  /** The connection that sent each received block, by id; -1 before. */
  readonly senders: Int32Array;
  /** How many of the missing blocks were lost by somebody who had been asked for them. */
  lost = 0;
  /** When each of those was lost, -1 for the others; empty as long as none ever was. */
  lostAtMs: Float64Array = NEVER_LOST;
  /** First entry of each block's list of requests. */
  readonly heads: Int32Array;
  /** No block before this one is missing. */
  cursor = 0;
  /** Grows with each piece that comes to have a missing block: the order in which `withMissing` has them. */
  order = 0;
  /** The table's own number for this piece. */
  readonly slot: number;

  /** Made by {@linkcode RequestTable.begin}. */
  constructor(piece: number, slot: number, blockCount: number, data: Uint8Array) {
    this.piece = piece;
    this.slot = slot;
    this.blockCount = blockCount;
    this.missing = blockCount;
    this.data = data;
    this.states = new Uint8Array(blockCount);
    this.senders = new Int32Array(blockCount).fill(NONE);
    this.heads = new Int32Array(blockCount).fill(NONE);
  }
}

/** What one connection was asked for; made by {@linkcode RequestTable.open}, changed by the table alone. */
export class PeerRequests {
  /** The connection's id. */
  readonly connection: number;
  /** Requests that an answer is expected to. */
  live = 0;
  /** Requests given up on whose answer is still welcome. */
  late = 0;
  /** Oldest request's entry. */
  head: number = NONE;
  /** Newest request's entry. */
  tail: number = NONE;

  /** Made by {@linkcode RequestTable.open}. */
  constructor(connection: number) {
    this.connection = connection;
  }
}

/** What {@linkcode RequestTable.receive} made of a block. */
export type ReceiveOutcome =
  /** It was asked for and had not come yet: it now counts as received. */
  | "wanted"
  /** This peer was not asked for it, or no longer: the answer may have crossed a cancel. */
  | "unasked";

/** What the table tells its owner. */
export interface RequestTableSink {
  /** A block came from somebody else: tell `connection`, which was asked too, that it is not needed. */
  cancel(connection: number, piece: number, block: number): void;
  /** A block that had been lost is asked of somebody again, `delayMs` after the loss. */
  recovered(delayMs: number): void;
}

/** The table of requests of one torrent. */
export class RequestTable {
  readonly #geometry: Geometry;
  readonly #sink: RequestTableSink;
  readonly #begun = new Map<number, BegunPiece>();
  /** The begun pieces that have a missing block, in the order in which they came to have one. */
  readonly #withMissing = new Set<BegunPiece>();
  readonly #lists = new Map<number, PeerRequests>();
  readonly #slots: (BegunPiece | null)[] = [];
  readonly #freeSlots: number[] = [];
  readonly #blocksPerPiece: number;
  #lostCount = 0;
  #order = 0;

  // One entry per request, in parallel arrays; free entries are linked through #next.
  // hot: bench/requests_bench.ts
  #target = new Int32Array(0); // slot * blocksPerPiece + block
  #connection = new Int32Array(0);
  #previous = new Int32Array(0); // in the connection's list, oldest first
  #next = new Int32Array(0);
  #nextOfBlock = new Int32Array(0);
  #isLate = new Uint8Array(0);
  #askedAtMs = new Float64Array(0);
  #dueAtMs = new Float64Array(0);
  /** When the block was asked for that {@linkcode receive} last took as wanted. */
  receivedAskedAtMs = 0;
  #free = NONE;

  constructor(geometry: Geometry, sink: RequestTableSink) {
    this.#geometry = geometry;
    this.#sink = sink;
    this.#blocksPerPiece = geometry.blocksPerPiece;
  }

  /** The pieces that are being fetched. */
  get begun(): IterableIterator<BegunPiece> {
    return this.#begun.values();
  }

  /** Whether some begun piece has a missing block. */
  get hasMissing(): boolean {
    return this.#withMissing.size > 0;
  }

  /** The pieces that are being fetched and have blocks that nobody is asked for. */
  get withMissing(): IterableIterator<BegunPiece> {
    return this.#withMissing.values();
  }

  /** How many pieces are being fetched. */
  get begunCount(): number {
    return this.#begun.size;
  }

  /** How many missing blocks were lost by somebody who had been asked for them. */
  get lostCount(): number {
    return this.#lostCount;
  }

  /** The piece with this index, where it is being fetched. */
  piece(piece: number): BegunPiece | undefined {
    return this.#begun.get(piece);
  }

  /** Begins a piece: all its blocks are missing. `data` must be exactly as long as the piece. */
  begin(piece: number, data: Uint8Array): BegunPiece {
    if (this.#begun.has(piece)) throw new RangeError(`Piece ${piece} is begun already`);
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    const begun = new BegunPiece(piece, slot, this.#geometry.blockCount(piece), data);
    this.#slots[slot] = begun;
    this.#begun.set(piece, begun);
    this.#listMissing(begun);
    return begun;
  }

  /** Ends a piece, complete or given up; requests for it that are still out are cancelled. */
  end(begun: BegunPiece): void {
    for (let block = 0; block < begun.blockCount; block++) this.#dropAll(begun, block);
    this.#begun.delete(begun.piece);
    this.#withMissing.delete(begun);
    this.#lostCount -= begun.lost;
    this.#slots[begun.slot] = null;
    this.#freeSlots.push(begun.slot);
  }

  /** Makes the list of a new connection. */
  open(connection: number): PeerRequests {
    const requests = new PeerRequests(connection);
    this.#lists.set(connection, requests);
    return requests;
  }

  /** A connection is gone: what it was asked for is given back. @returns how many blocks are missing now */
  close(requests: PeerRequests, nowMs: number): number {
    const lost = this.giveBackAll(requests, nowMs);
    this.#lists.delete(requests.connection);
    return lost;
  }

  /** Whether a block is missing because somebody who had been asked for it will not send it. */
  isLost(begun: BegunPiece, block: number): boolean {
    return begun.lost > 0 && begun.lostAtMs[block]! >= 0;
  }

  /** The first missing block of a piece, or -1. */
  firstMissing(begun: BegunPiece): number {
    if (begun.missing === 0) return NONE;
    let block = begun.cursor;
    while (begun.states[block] !== MISSING) block++;
    begun.cursor = block;
    return block;
  }

  /** Whether this connection was asked for the block and has not answered, late or not. */
  wasAsked(requests: PeerRequests, begun: BegunPiece, block: number): boolean {
    return this.#find(requests, begun, block) !== NONE;
  }

  /** How many live requests for the block are out. */
  liveRequests(begun: BegunPiece, block: number): number {
    let count = 0;
    for (let e = begun.heads[block]!; e !== NONE; e = this.#nextOfBlock[e]!) {
      if (this.#isLate[e] === 0) count++;
    }
    return count;
  }

  /** Calls `visit` with the id of each connection that a live request for the block is out to. */
  forEachAsked(begun: BegunPiece, block: number, visit: (connection: number) => void): void {
    for (let e = begun.heads[block]!; e !== NONE; e = this.#nextOfBlock[e]!) {
      if (this.#isLate[e] === 0) visit(this.#connection[e]!);
    }
  }

  /**
   * Notes that a connection is asked for a block that is missing, or (end game) asked of another too.
   *
   * @param dueAtMs when {@linkcode expire} gives up on it
   */
  ask(
    requests: PeerRequests,
    begun: BegunPiece,
    block: number,
    nowMs: number,
    dueAtMs: number = Infinity,
  ): void {
    const state = begun.states[block];
    if (state === RECEIVED) {
      throw new RangeError(`Block ${block} of ${begun.piece} is here already`);
    }
    if (state === MISSING) {
      begun.states[block] = REQUESTED;
      this.#countDown(begun);
      const lostAtMs = this.#unlose(begun, block);
      if (lostAtMs >= 0) this.#sink.recovered(nowMs - lostAtMs);
    }
    const entry = this.#allocate();
    this.#target[entry] = begun.slot * this.#blocksPerPiece + block;
    this.#connection[entry] = requests.connection;
    this.#isLate[entry] = 0;
    this.#askedAtMs[entry] = nowMs;
    this.#dueAtMs[entry] = dueAtMs;
    this.#nextOfBlock[entry] = begun.heads[block]!;
    begun.heads[block] = entry;
    this.#previous[entry] = requests.tail;
    this.#next[entry] = NONE;
    if (requests.tail === NONE) requests.head = entry;
    else this.#next[requests.tail] = entry;
    requests.tail = entry;
    requests.live++;
  }

  /**
   * Notes that a block came. The caller copies it into `begun.data` when the outcome is `"wanted"`.
   * Whoever else was asked for it is told to cancel.
   */
  receive(requests: PeerRequests, begun: BegunPiece, block: number): ReceiveOutcome {
    const entry = this.#find(requests, begun, block);
    if (entry === NONE) return "unasked";
    this.receivedAskedAtMs = this.#askedAtMs[entry]!;
    this.#drop(requests, begun, block, entry);
    if (begun.states[block] === MISSING) {
      this.#countDown(begun);
      this.#unlose(begun, block);
    }
    begun.states[block] = RECEIVED;
    begun.received++;
    begun.senders[block] = requests.connection;
    if (begun.heads[block] !== NONE) this.#dropAll(begun, block);
    return "wanted";
  }

  /** A missing block is here already, from an earlier run: nobody sent it. */
  restore(begun: BegunPiece, block: number): void {
    this.#countDown(begun);
    begun.states[block] = RECEIVED;
    begun.received++;
  }

  /** A connection will not answer for this block. @returns whether the block is missing now */
  giveBack(requests: PeerRequests, begun: BegunPiece, block: number, nowMs: number): boolean {
    const entry = this.#find(requests, begun, block);
    if (entry === NONE) return false;
    this.#drop(requests, begun, block, entry);
    return this.#loseIfUnasked(begun, block, nowMs);
  }

  /** A connection will answer nothing more. @returns how many blocks are missing because of it */
  giveBackAll(requests: PeerRequests, nowMs: number): number {
    let lost = 0;
    while (requests.head !== NONE) {
      const entry = requests.head;
      const begun = this.#begunOf(entry);
      const block = this.#blockOf(entry);
      this.#drop(requests, begun, block, entry);
      if (this.#loseIfUnasked(begun, block, nowMs)) lost++;
    }
    return lost;
  }

  /**
   * Gives up on what a connection owes, so that others can be asked, while its answers stay welcome.
   *
   * @param dueBeforeMs up to the first request that is due at this time or later; left out: all of them
   * @returns how many blocks are missing because of it
   */
  expire(requests: PeerRequests, nowMs: number, dueBeforeMs: number = Infinity): number {
    let lost = 0;
    for (let entry = requests.head; entry !== NONE; entry = this.#next[entry]!) {
      if (this.#isLate[entry] === 1) continue;
      if (dueBeforeMs !== Infinity && this.#dueAtMs[entry]! >= dueBeforeMs) break;
      this.#isLate[entry] = 1;
      requests.live--;
      requests.late++;
      if (this.#loseIfUnasked(this.#begunOf(entry), this.#blockOf(entry), nowMs)) lost++;
    }
    return lost;
  }

  /**
   * Expects no late answer any more to what was due before `dueBeforeMs`, so that the same can be asked again.
   *
   * @returns how many requests were forgotten, each of which may be answered all the same
   */
  forgetLate(requests: PeerRequests, dueBeforeMs: number = Infinity): number {
    const before = requests.late;
    let entry = requests.head;
    while (entry !== NONE) {
      const following = this.#next[entry]!;
      const isOver = dueBeforeMs === Infinity || this.#dueAtMs[entry]! < dueBeforeMs;
      if (this.#isLate[entry] === 1 && isOver) {
        this.#drop(requests, this.#begunOf(entry), this.#blockOf(entry), entry);
      }
      entry = following;
    }
    return before - requests.late;
  }

  /** Calls `visit` for each request of a connection, oldest first. */
  forEach(
    requests: PeerRequests,
    visit: (begun: BegunPiece, block: number, isLate: boolean) => void,
  ): void {
    for (let e = requests.head; e !== NONE; e = this.#next[e]!) {
      visit(this.#begunOf(e), this.#blockOf(e), this.#isLate[e] === 1);
    }
  }

  #begunOf(entry: number): BegunPiece {
    return this.#slots[Math.floor(this.#target[entry]! / this.#blocksPerPiece)]!;
  }

  #blockOf(entry: number): number {
    return this.#target[entry]! % this.#blocksPerPiece;
  }

  #find(requests: PeerRequests, begun: BegunPiece, block: number): number {
    let entry = begun.heads[block]!;
    while (entry !== NONE && this.#connection[entry] !== requests.connection) {
      entry = this.#nextOfBlock[entry]!;
    }
    return entry;
  }

  /** Back to missing, unless somebody else is still expected to send it. @returns whether it is */
  #loseIfUnasked(begun: BegunPiece, block: number, nowMs: number): boolean {
    if (begun.states[block] !== REQUESTED || this.liveRequests(begun, block) > 0) return false;
    begun.states[block] = MISSING;
    if (begun.missing++ === 0) this.#listMissing(begun);
    if (begun.lostAtMs === NEVER_LOST) {
      begun.lostAtMs = new Float64Array(begun.blockCount).fill(NONE);
    }
    begun.lostAtMs[block] = nowMs;
    begun.lost++;
    this.#lostCount++;
    if (block < begun.cursor) begun.cursor = block;
    return true;
  }

  /** A block is not missing any more. @returns when it was lost, -1 where it never was */
  #unlose(begun: BegunPiece, block: number): number {
    const lostAtMs = begun.lost === 0 ? NONE : begun.lostAtMs[block]!;
    if (lostAtMs < 0) return NONE;
    begun.lostAtMs[block] = NONE;
    begun.lost--;
    this.#lostCount--;
    return lostAtMs;
  }

  /** Takes one entry out of both lists. The block's state is the caller's. */
  #drop(requests: PeerRequests, begun: BegunPiece, block: number, entry: number): void {
    const previous = this.#previous[entry]!;
    const next = this.#next[entry]!;
    if (previous === NONE) requests.head = next;
    else this.#next[previous] = next;
    if (next === NONE) requests.tail = previous;
    else this.#previous[next] = previous;
    if (this.#isLate[entry] === 1) requests.late--;
    else requests.live--;

    if (begun.heads[block] === entry) {
      begun.heads[block] = this.#nextOfBlock[entry]!;
    } else {
      let before = begun.heads[block]!;
      while (this.#nextOfBlock[before] !== entry) before = this.#nextOfBlock[before]!;
      this.#nextOfBlock[before] = this.#nextOfBlock[entry]!;
    }
    this.#next[entry] = this.#free;
    this.#free = entry;
  }

  #listMissing(begun: BegunPiece): void {
    begun.order = ++this.#order;
    this.#withMissing.add(begun);
  }

  /** One block less is missing. */
  #countDown(begun: BegunPiece): void {
    if (--begun.missing === 0) this.#withMissing.delete(begun);
  }

  #dropAll(begun: BegunPiece, block: number): void {
    while (begun.heads[block] !== NONE) {
      const entry = begun.heads[block]!;
      const connection = this.#connection[entry]!;
      this.#drop(this.#lists.get(connection)!, begun, block, entry);
      this.#sink.cancel(connection, begun.piece, block);
    }
  }

  #allocate(): number {
    if (this.#free === NONE) this.#grow();
    const entry = this.#free;
    this.#free = this.#next[entry]!;
    return entry;
  }

  #grow(): void {
    const used = this.#target.length;
    const capacity = Math.max(256, 2 * used);
    this.#target = grown(this.#target, new Int32Array(capacity));
    this.#connection = grown(this.#connection, new Int32Array(capacity));
    this.#previous = grown(this.#previous, new Int32Array(capacity));
    this.#next = grown(this.#next, new Int32Array(capacity));
    this.#nextOfBlock = grown(this.#nextOfBlock, new Int32Array(capacity));
    this.#isLate = grown(this.#isLate, new Uint8Array(capacity));
    this.#askedAtMs = grown(this.#askedAtMs, new Float64Array(capacity));
    this.#dueAtMs = grown(this.#dueAtMs, new Float64Array(capacity));
    for (let entry = capacity - 1; entry >= used; entry--) {
      this.#next[entry] = this.#free;
      this.#free = entry;
    }
  }
}

/** Copies `from` to the beginning of the larger `to`. */
function grown<A extends Int32Array | Uint8Array | Float64Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
