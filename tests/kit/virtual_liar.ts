/**
 * Peers that do not keep to the protocol, or keep to it and are of no use. None of them runs a manager.
 */
import {
  MessageDecoder,
  type MessageHandler,
  MessageWriter,
  type PeerAddress,
} from "@enjambre/peerwire";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { fillContent, Segment, segmentsOf } from "./virtual_content.ts";
import type { LineEnd } from "./virtual_line.ts";
import { SharedLink } from "./virtual_link.ts";
import type { SwarmMember, VirtualSwarm } from "./virtual_swarm.ts";

/** What a liar does. */
export type Lie =
  /** Says that it has everything, lets others ask, and refuses each request. */
  | "refuses"
  /** Says that it has everything, lets others ask, and answers nothing. */
  | "ignores"
  /** Says that it has everything, and changes between choking and not without giving anything. */
  | "chokes"
  /** Says anew what it has, again and again, everything and nothing in turns. */
  | "wavers"
  /** Asks for what lies outside the torrent. */
  | "asks for nonsense"
  /** Says that it has a piece that there is not. */
  | "has nonsense"
  /** Gives the right blocks, a byte at a time. */
  | "trickles"
  /** Sends blocks that nobody asked for. */
  | "pushes"
  /** Gives wrong blocks. */
  | "gives bad data"
  /** Asks for the same blocks again and again, and reads nothing. */
  | "floods"
  /** Sends bytes that are no messages. */
  | "babbles"
  /** Is connected, and sends nothing at all. */
  | "says nothing";

/** All that there are. */
export const LIES: readonly Lie[] = [
  "refuses",
  "ignores",
  "chokes",
  "wavers",
  "asks for nonsense",
  "has nonsense",
  "trickles",
  "pushes",
  "gives bad data",
  "floods",
  "babbles",
  "says nothing",
];

/** How often a liar does what it does. */
const LIE_INTERVAL_MS = 200;

/** How long one byte of those that trickle takes. */
const TRICKLE_MS = 5;

/** Requests that one who floods sends at a time. */
const FLOOD_REQUESTS = 200;

/** How long it waits before it dials again, under another id. */
const REDIAL_MS = 15_000;

const LINK_BYTES_PER_SECOND = 1e6;

/** Somebody in the swarm who lies. */
export class VirtualLiar implements SwarmMember {
  readonly address: PeerAddress;
  readonly swarm: VirtualSwarm;
  readonly lie: Lie;
  readonly uplink: SharedLink;
  readonly downlink: SharedLink;
  readonly isHonest = false;
  /** Whether it goes on. */
  isUp = true;
  readonly #impersonated: SwarmMember | null;
  #peerId: Uint8Array;
  #lives = 0;
  readonly #talks = new Map<LineEnd, Talk>();

  /** @param impersonated whose peer id it uses; null for ids of its own, another whenever it comes back */
  constructor(swarm: VirtualSwarm, lie: Lie, impersonated: SwarmMember | null = null) {
    const index = swarm.memberCount;
    this.address = { host: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, port: 6881 };
    this.swarm = swarm;
    this.lie = lie;
    this.uplink = new SharedLink(swarm.clock, LINK_BYTES_PER_SECOND);
    this.downlink = new SharedLink(swarm.clock, LINK_BYTES_PER_SECOND);
    this.#impersonated = impersonated;
    this.#peerId = swarm.makePeerId(this.address, this.#lives);
    swarm.addMember(this);
  }

  /** See {@linkcode SwarmMember}. */
  get peerId(): Uint8Array {
    return this.#impersonated?.peerId ?? this.#peerId;
  }

  /** See {@linkcode SwarmMember}. */
  get isReachable(): boolean {
    return this.isUp;
  }

  /** See `LineHost`. */
  get isReading(): boolean {
    return this.lie !== "floods";
  }

  /** Dials somebody; when the line ends it does so again, as somebody else. */
  dial(address: PeerAddress): void {
    if (!this.isUp) return;
    this.swarm.connect(this, address, (end) => {
      if (end === null) return this.#redial(address);
      this.attach(end, address, false);
      this.#talks.get(end)!.redials = address;
    });
  }

  /** Leaves. */
  stop(): void {
    this.isUp = false;
    for (const end of this.#talks.keys()) end.close();
    this.#talks.clear();
  }

  /** See {@linkcode SwarmMember}. */
  attach(end: LineEnd, _from: PeerAddress, _isIncoming: boolean): void {
    const talk = new Talk(this, end);
    this.#talks.set(end, talk);
    talk.begin();
  }

  handleSegment(end: LineEnd, segment: Segment): void {
    this.#talks.get(end)?.hear(segment);
  }

  handleRoom(): void {}

  handleEnd(end: LineEnd): void {
    const talk = this.#talks.get(end);
    this.#talks.delete(end);
    end.close();
    if (talk?.redials != null) this.#redial(talk.redials);
  }

  #redial(address: PeerAddress): void {
    this.swarm.clock.after(REDIAL_MS, () => {
      if (this.#talks.size === 0) this.#peerId = this.swarm.makePeerId(this.address, ++this.#lives);
      this.dial(address);
    });
  }
}

/** What a liar says over one line. */
class Talk implements MessageHandler {
  /** Whom to dial again at the end; null where the other side dialled. */
  redials: PeerAddress | null = null;
  readonly #liar: VirtualLiar;
  readonly #end: LineEnd;
  readonly #writer = new MessageWriter();
  readonly #decoder: MessageDecoder;
  readonly #received = new Uint8Array(256 * 1024);
  #turn = 0;
  readonly #trickle: Uint8Array[] = [];
  /** Bytes of the first of them that are on their way. */
  #trickled = 0;
  #isTrickling = false;

  constructor(liar: VirtualLiar, end: LineEnd) {
    this.#liar = liar;
    this.#end = end;
    const { pieceCount } = liar.swarm.geometry;
    this.#decoder = new MessageDecoder({ handler: this, pieceCount });
  }

  begin(): void {
    const { lie } = this.#liar;
    if (lie === "says nothing") return;
    if (lie === "asks for nonsense" || lie === "floods") this.#writer.haveNone();
    else this.#writer.haveAll();
    if (lie !== "chokes") this.#writer.unchoke();
    this.#writer.interested();
    this.#send();
    this.#goOn();
  }

  hear(segment: Segment): void {
    const bytes = segment.expand(this.#received);
    this.#decoder.feed(this.#received.subarray(0, bytes));
    this.#send();
  }

  handleRequest(piece: number, begin: number, length: number): void {
    const { lie } = this.#liar;
    if (lie === "refuses") this.#writer.reject(piece, begin, length);
    if (lie === "gives bad data") this.#give(piece, begin, length, piece + 1);
    if (lie === "trickles") this.#give(piece, begin, length, piece);
  }

  handleKeepAlive(): void {}
  handleChoke(): void {}
  handleUnchoke(): void {}
  handleInterested(): void {}
  handleNotInterested(): void {}
  handleHave(): void {}
  handleBitfield(): void {}
  handlePiece(): void {}
  handleCancel(): void {}
  handlePort(): void {}
  handleSuggest(): void {}
  handleHaveAll(): void {}
  handleHaveNone(): void {}
  handleReject(): void {}
  handleAllowedFast(): void {}
  handleExtended(): void {}
  handleUnknown(): void {}

  #goOn(): void {
    if (this.#end.isClosed || !this.#liar.isUp) return;
    this.#lieOnce();
    this.#send();
    this.#liar.swarm.clock.after(LIE_INTERVAL_MS, () => this.#goOn());
  }

  #lieOnce(): void {
    const { lie, swarm } = this.#liar;
    const { pieceCount } = swarm.geometry;
    const isOdd = this.#turn++ % 2 === 1;
    switch (lie) {
      case "chokes":
        return isOdd ? this.#writer.choke() : this.#writer.unchoke();
      case "wavers":
        return isOdd ? this.#writer.haveNone() : this.#writer.haveAll();
      case "asks for nonsense":
        if (this.#turn < 5) return;
        return isOdd
          ? this.#writer.request(pieceCount, 0, BLOCK_BYTES)
          : this.#writer.request(0, 0, 1 << 20);
      case "has nonsense":
        return this.#turn < 5 ? undefined : this.#writer.have(pieceCount + 7);
      case "pushes":
        return this.#give(this.#turn % pieceCount, 0, BLOCK_BYTES, 0);
      case "floods":
        for (let i = 0; i < FLOOD_REQUESTS; i++) this.#writer.request(i % pieceCount, 0, 1000);
        return;
      case "babbles":
        this.#writer.raw(new Uint8Array(100).fill(this.#turn === 1 ? 9 : 0x7f));
        return;
      default:
    }
  }

  #give(piece: number, begin: number, length: number, as: number): void {
    const block = new Uint8Array(Math.min(length, this.#liar.swarm.geometry.pieceBytes(piece)));
    if (begin % BLOCK_BYTES === 0) fillContent(block, as, begin);
    this.#writer.piece(piece, begin, block, 0, block.length);
  }

  #send(): void {
    const bytes = this.#writer.take();
    if (bytes === null) return;
    const { lie } = this.#liar;
    if (lie === "trickles") {
      this.#trickle.push(bytes.slice());
      this.#sendByte();
    } else if (lie === "babbles") {
      this.#end.send(new Segment(bytes.length, bytes.slice()));
    } else {
      segmentsOf(bytes, (segment) => this.#end.send(segment));
    }
    this.#writer.release();
  }

  #sendByte(): void {
    const bytes = this.#trickle[0];
    if (this.#isTrickling || bytes === undefined || this.#end.isClosed) return;
    this.#isTrickling = true;
    this.#liar.swarm.clock.after(TRICKLE_MS, () => {
      this.#isTrickling = false;
      this.#end.send(new Segment(1, bytes.slice(this.#trickled, ++this.#trickled)));
      if (this.#trickled === bytes.length) {
        this.#trickle.shift();
        this.#trickled = 0;
      }
      this.#sendByte();
    });
  }
}
