/**
 * An overlay on virtual time: the real nodes, lines that are late or lost, and a stand-in for the signatures.
 */
import {
  type Announcement,
  Node,
  type NodeOptions,
  type NodeStatus,
  type ProviderChange,
  type Replication,
} from "@enjambre/overlay";
import { integerOf, oneOf, randomOf, VirtualClock } from "../kit/virtual_clock.ts";

/** How an overlay is. */
export interface OverlayOptions {
  /** Replays the run. */
  readonly seed: number;
  /** The part of all lines that are lost. */
  readonly loss: number;
  /** A line takes at least so long. */
  readonly delayMs: number;
  /** And up to so much longer. */
  readonly jitterMs: number;
  /** Members that a node knows at most. */
  readonly membersMax: number;
  /** How many nodes hold a record. */
  readonly replication: Replication;
}

/** A cluster of containers: twenty to eighty milliseconds, nothing lost. */
export const GOOD_LINES: OverlayOptions = {
  seed: 1,
  loss: 0,
  delayMs: 20,
  jitterMs: 60,
  membersMax: 128,
  replication: "all",
};

/** The nodes where all begin. */
const BOOTSTRAP = 3;

/** One node and what the simulation notes of it. */
export interface VirtualNode {
  readonly address: string;
  readonly node: Node;
  /** Whether it runs; a stopped one says nothing, not even that it is gone. */
  isUp: boolean;
  /** When it came to know each info-hash that it knows a provider of. */
  readonly knowsSinceMs: Map<string, number>;
  /** Whom it refuses. */
  readonly refused: Set<string>;
  /** Its own time of day is off by so much. */
  readonly skewMs: number;
  armedForMs: number;
}

/** What is said on the way; a liar changes it. */
export type Meddler = (line: string, to: string) => string[];

/** All nodes of a run. */
export class VirtualOverlay {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: () => number;
  readonly nodes: VirtualNode[] = [];
  /** Whether lines between two addresses pass. */
  passes: (from: string, to: string) => boolean = () => true;
  /** What some nodes say instead. */
  readonly meddlers: Map<string, Meddler> = new Map();
  /** Times that a node suspected one that ran. */
  falselySuspected = 0;
  /** Times that a node gave up one that ran. */
  falselyGone = 0;
  loss: number;
  readonly #options: OverlayOptions;
  readonly #byAddress = new Map<string, VirtualNode>();
  #announced = 0;

  constructor(options: OverlayOptions) {
    this.#options = options;
    this.loss = options.loss;
    this.random = randomOf(options.seed);
  }

  /** The nodes that run. */
  get up(): VirtualNode[] {
    return this.nodes.filter(({ isUp }) => isUp);
  }

  /** Starts a node, which begins where the first ones are unless told otherwise. */
  add(
    bootstrap: readonly string[] = this.#first(),
    change: Partial<NodeOptions> = {},
  ): VirtualNode {
    const index = this.nodes.length;
    const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:6000`;
    const knowsSinceMs = new Map<string, number>();
    const owner = textOf(mix([0x6b65, index, this.#options.seed], 32)).slice(0, 43);
    const node = new Node({
      address,
      bootstrap,
      signer: {
        owner: owner.slice(0, 42) + "A",
        sign: (bytes) => sign(owner.slice(0, 42) + "A", bytes),
      },
      verify: (owner, signature, bytes) => sign(owner, bytes) === signature,
      hash: cheapHash,
      makeSecret: () => mix([index, Math.floor(this.random() * 2 ** 32)], 16),
      random: this.random,
      membersMax: this.#options.membersMax,
      replication: this.#options.replication,
      onChange: ({ kind, provider }: ProviderChange) => {
        if (kind === "removed") knowsSinceMs.delete(provider.infoHash);
        else if (!knowsSinceMs.has(provider.infoHash)) {
          knowsSinceMs.set(provider.infoHash, this.clock.nowMs);
        }
      },
      ...change,
    }, {
      send: (to, line) => this.#carry(address, to, line),
      refuse: (endpoint) => void virtual.refused.add(addressOf(endpoint)),
    });
    const { membership } = node;
    const suspect = membership.suspect.bind(membership);
    membership.suspect = (suspected) => {
      if (this.#byAddress.get(suspected)?.isUp === true) this.falselySuspected++;
      suspect(suspected);
    };
    // Clocks are hours apart: nothing may depend on them.
    const skewMs = integerOf(this.random, -12, 12) * 3_600_000;
    const virtual: VirtualNode = {
      address,
      node,
      isUp: true,
      knowsSinceMs,
      refused: new Set(),
      skewMs,
      armedForMs: Infinity,
    };
    this.nodes.push(virtual);
    this.#byAddress.set(address, virtual);
    node.start(this.clock.nowMs);
    this.#arm(virtual);
    return virtual;
  }

  /** Has a node stop in silence. */
  stop(virtual: VirtualNode): void {
    virtual.isUp = false;
  }

  /** Has one go on that stopped, as a process that was suspended: it knows what it knew. */
  resume(virtual: VirtualNode): void {
    virtual.isUp = true;
    this.#arm(virtual);
  }

  /** Announces something new at a node. @returns its info-hash */
  announce(virtual: VirtualNode, change: Partial<Announcement> = {}): string {
    const infoHash = change.infoHash ?? mix([0x696e66, ++this.#announced], 20).toHex();
    const peerId = mix([0x706565, this.#announced], 20).toHex();
    const announcement = { infoHash, address: virtual.address, peerId, left: 0, ...change };
    virtual.node.announce(announcement, this.clock.nowMs, this.wallMs(virtual));
    this.#arm(virtual);
    return infoHash;
  }

  /** Has a node say that it left. */
  leave(virtual: VirtualNode, infoHash: string): void {
    virtual.node.leave(infoHash, "", this.clock.nowMs, this.wallMs(virtual));
    this.#arm(virtual);
  }

  /** What a node believes the time of day to be. */
  wallMs(virtual: VirtualNode): number {
    return 1_800_000_000_000 + virtual.skewMs + this.clock.nowMs;
  }

  /** Lets a node say a line of its own making. */
  say(from: string, to: string, line: string): void {
    this.#carry(from, to, line);
  }

  /** Lets time pass. */
  run(forMs: number): void {
    this.runUntil(() => false, forMs);
  }

  /** Lets time pass until something holds. @returns how long that took, `null` where it did not happen */
  runUntil(holds: () => boolean, limitMs: number): number | null {
    const beganMs = this.clock.nowMs;
    let checkedMs = -Infinity;
    while (this.clock.nextAtMs <= beganMs + limitMs) {
      if (this.clock.nowMs >= checkedMs + 100) {
        if (holds()) return this.clock.nowMs - beganMs;
        checkedMs = this.clock.nowMs;
      }
      this.clock.step();
    }
    const holdsNow = holds();
    this.clock.nowMs = beganMs + limitMs;
    return holdsNow ? limitMs : null;
  }

  /** How every running node is. */
  statuses(): NodeStatus[] {
    return this.up.map(({ node }) => node.status(this.clock.nowMs));
  }

  /** A running node, at random. */
  some(): VirtualNode {
    return oneOf(this.random, this.up);
  }

  #first(): string[] {
    return this.nodes.slice(0, BOOTSTRAP).map(({ address }) => address);
  }

  #carry(from: string, to: string, line: string): void {
    const meddler = this.meddlers.get(from);
    for (const said of meddler === undefined ? [line] : meddler(line, to)) {
      const { delayMs, jitterMs } = this.#options;
      const target = addressOf(to);
      if (this.random() < this.loss || !this.passes(from, target)) continue;
      const isReply = to.startsWith("#");
      this.clock.after(delayMs + this.random() * jitterMs, () => {
        const receiver = this.#byAddress.get(target);
        if (receiver === undefined || !receiver.isUp || receiver.refused.has(from)) return;
        const endpoint = isReply ? from : `#${from}`;
        if (!isReply) receiver.node.handleGreeting(endpoint, from, this.clock.nowMs);
        receiver.node.handleLine(endpoint, said, this.clock.nowMs);
        this.#arm(receiver);
      });
    }
  }

  #arm(virtual: VirtualNode): void {
    const deadlineMs = virtual.node.nextDeadlineMs;
    if (deadlineMs >= virtual.armedForMs) return;
    virtual.armedForMs = deadlineMs;
    this.clock.after(deadlineMs - this.clock.nowMs, () => {
      if (virtual.armedForMs !== deadlineMs) return;
      virtual.armedForMs = Infinity;
      if (!virtual.isUp) return;
      const before = virtual.node.membership.size;
      virtual.node.handleTime(this.clock.nowMs);
      if (virtual.node.membership.size < before) this.#countGone(virtual);
      this.#arm(virtual);
    });
  }

  #countGone(virtual: VirtualNode): void {
    const address = [...virtual.node.membership.gone()].at(-1);
    if (address !== undefined && this.#byAddress.get(address)!.isUp) this.falselyGone++;
  }
}

function addressOf(endpoint: string): string {
  return endpoint.startsWith("#") ? endpoint.slice(1) : endpoint;
}

/** Bytes that look random and depend on the numbers alone. */
function mix(numbers: readonly number[], length: number): Uint8Array<ArrayBuffer> {
  let state = 0x811c9dc5;
  for (const number of numbers) {
    state = Math.imul(state ^ (number | 0), 0x01000193) ^ (state >>> 13);
  }
  const next = randomOf(state >>> 0);
  return Uint8Array.from({ length }, () => Math.floor(next() * 256));
}

/** A stand-in for Ed25519: whoever has no access to this function cannot guess it. */
function sign(owner: string, bytes: Uint8Array): string {
  let [one, other] = [0x811c9dc5, 0x1b873593];
  for (let at = 0; at < bytes.length; at++) {
    one = Math.imul(one ^ bytes[at]!, 0x01000193);
    other = Math.imul(other ^ bytes[at]!, 0x85ebca6b) ^ (other >>> 15);
  }
  for (let at = 0; at < owner.length; at++) one = Math.imul(one ^ owner.charCodeAt(at), 0x01000193);
  let text = "";
  for (let word = 0; word < 14; word++) {
    one = Math.imul(one ^ (one >>> 15), 0x2c1b3c6d) + other | 0;
    other = Math.imul(other ^ (other >>> 13), 0xc2b2ae35) + word | 0;
    text += SIGNATURE_DIGITS[one & 63]! + SIGNATURE_DIGITS[(one >> 6) & 63]! +
      SIGNATURE_DIGITS[(one >> 12) & 63]! + SIGNATURE_DIGITS[(other >> 6) & 63]! +
      SIGNATURE_DIGITS[(other >> 12) & 63]! + SIGNATURE_DIGITS[(other >> 18) & 63]! +
      SIGNATURE_DIGITS[(one >> 18) & 63]!;
  }
  return text.slice(0, 85) + "A";
}

const SIGNATURE_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A stand-in for SHA-256 where only its shape matters. */
function cheapHash(bytes: Uint8Array): Uint8Array {
  let [one, other] = [0x811c9dc5, 0x9e3779b9];
  for (let at = 0; at < bytes.length; at++) {
    one = Math.imul(one ^ bytes[at]!, 0x01000193);
    other = Math.imul(other + bytes[at]!, 0x85ebca6b) ^ (other >>> 13);
  }
  const hashed = new Uint8Array(16);
  for (let at = 0; at < 16; at++) {
    one = Math.imul(one ^ (one >>> 15), 0x2c1b3c6d) + other | 0;
    other = Math.imul(other ^ (other >>> 13), 0xc2b2ae35) + at | 0;
    hashed[at] = one >>> 7;
  }
  return hashed;
}

function textOf(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
