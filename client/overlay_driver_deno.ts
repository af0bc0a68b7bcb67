/**
 * One torrent's place in the overlay: tells it of us, and takes peers from it.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { getLogger } from "@logtape/logtape";
import { hexOfHash } from "@enjambre/metainfo";
import type { OverlayNode, Provider, ProviderChange } from "@enjambre/overlay";
import type { PeerAddress } from "@enjambre/peerwire";
import type { AnnounceFacts } from "./announce_driver_deno.ts";

const logger = getLogger(["enjambre", "client"]);

/** Providers that the lookup at the start asks for; those that come later are told of as they do. */
const PROVIDERS_WANTED = 50;

/**
 * Time between two announces of what we still lack. Only that it became nothing matters to others, which is
 * announced at once, and every announce is a signed record that goes through the whole overlay.
 */
const LEFT_MS = 5 * 60_000;

/** Time between two looks at whether a node answers yet, from the start to the first that does. */
const JOIN_LOOK_MS = 1000;

/** Names that are being resolved at a time; beyond, the one who dials does it. */
const RESOLVING_MAX = 64;

/** What is known of the overlay, and of a torrent there. */
export interface OverlayView {
  /** Nodes that answer us. */
  readonly members: number;
  /** Others that have all of the torrent. */
  readonly seeds: number;
  /** Others that lack something of it. */
  readonly leechers: number;
}

/** What an {@linkcode OverlayDriver} needs. */
export interface OverlayContext {
  /** The session's node. */
  readonly node: Pick<
    OverlayNode,
    "address" | "announce" | "leave" | "lookup" | "subscribe" | "status"
  >;
  /** What is to be said of us now. **Cost**: it looks at every piece. */
  readonly facts: () => Pick<AnnounceFacts, "infoHash" | "peerId" | "port" | "left">;
  /** Receives peers as they become known. */
  readonly handlePeers: (peers: readonly PeerAddress[]) => void;
  /** Receives how many others have all of it, when the first node answers and whenever that changes. */
  readonly handleSeeds: (count: number) => void;
}

/** What the overlay is told of one torrent, and who else provides it. */
export class OverlayDriver {
  readonly #context: OverlayContext;
  /** Bytes that each of the others lacks, by owner and peer id; only a tracker's node speaks for several. */
  readonly #providers = new Map<string, Map<string, number>>();
  /** Our own key, whose records are none of others'. */
  readonly #owner: string;
  #unsubscribe: (() => void) | null = null;
  #toldLeft = -1;
  #resolving = 0;
  #dueMs = Infinity;
  /** Others that have all of it. */
  #seeds = 0;
  /** Our own peer id, in case that others tell of us. */
  #ownPeerId = "";
  #hasJoined = false;
  #joinLookMs = Infinity;

  constructor(context: OverlayContext) {
    this.#context = context;
    this.#owner = context.node.status().owner;
  }

  /** When {@linkcode handleDeadline} has to be called. */
  get nextDeadlineMs(): number {
    return Math.min(this.#dueMs, this.#joinLookMs);
  }

  /** Says that we are here, and takes peers from now on. */
  start(nowMs: number): void {
    const { node, facts } = this.#context;
    const { infoHash: hash, peerId } = facts();
    const infoHash = hexOfHash(hash);
    this.#ownPeerId = hexOfHash(peerId);
    this.#unsubscribe = node.subscribe(infoHash, (change) => this.#handleChange(change));
    this.#announce(nowMs);
    this.#lookForMembers(nowMs);
    node.lookup(infoHash, PROVIDERS_WANTED).then((providers) => {
      for (const provider of providers) this.#takePeer(provider);
    });
  }

  /** Says that everything is here, unless that was said. */
  complete(nowMs: number): void {
    if (this.#unsubscribe !== null && this.#toldLeft !== 0) this.#announce(nowMs);
  }

  /** The time has come for something. */
  handleDeadline(nowMs: number): void {
    if (nowMs >= this.#dueMs) this.#announce(nowMs);
    if (nowMs >= this.#joinLookMs) this.#lookForMembers(nowMs);
  }

  /** What is known now. */
  view(): OverlayView {
    let [seeds, leechers] = [0, 0];
    for (const peers of this.#providers.values()) {
      for (const left of peers.values()) left === 0 ? seeds++ : leechers++;
    }
    const { members } = this.#context.node.status();
    return { members: members.alive, seeds, leechers };
  }

  /** Says that we leave; the node sends it when it closes, at the latest. */
  leave(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#dueMs = Infinity;
    this.#joinLookMs = Infinity;
    const { node, facts } = this.#context;
    node.leave(hexOfHash(facts().infoHash));
  }

  /** Announces us, unless nothing has changed: the node itself keeps alive what was announced. */
  #announce(nowMs: number): void {
    this.#dueMs = nowMs + LEFT_MS;
    const { node, facts } = this.#context;
    const { infoHash, peerId, port, left } = facts();
    if (left === this.#toldLeft) return;
    this.#toldLeft = left;
    const host = node.address.slice(0, node.address.lastIndexOf(":"));
    const address = `${host}:${port}`;
    node.announce({ infoHash: hexOfHash(infoHash), peerId: hexOfHash(peerId), address, left });
    logger.debug("announced {address} on the overlay, {left} bytes left", { address, left });
  }

  #handleChange({ kind, provider }: ProviderChange): void {
    const { owner, peerId, address, left } = provider;
    if (owner === this.#owner) return;
    logger.debug("overlay: {address} {kind}, {left} bytes left", { address, kind, left });
    // What old nodes say has no owner, and they do not say who leaves: it is tried, not counted.
    if (owner !== null && peerId !== this.#ownPeerId) {
      const before = this.#seeds - this.#seedsOf(owner);
      this.#count(kind, owner, peerId, left);
      this.#noteSeeds(before + this.#seedsOf(owner));
    }
    if (kind !== "removed") this.#takePeer(provider);
  }

  /** Without members nobody knows who else has it. */
  #lookForMembers(nowMs: number): void {
    this.#hasJoined = this.#context.node.status().members.alive > 0;
    this.#joinLookMs = this.#hasJoined ? Infinity : nowMs + JOIN_LOOK_MS;
    if (this.#hasJoined) this.#context.handleSeeds(this.#seeds);
  }

  #noteSeeds(seeds: number): void {
    const isNews = seeds !== this.#seeds;
    this.#seeds = seeds;
    if (isNews && this.#hasJoined) this.#context.handleSeeds(seeds);
  }

  #seedsOf(owner: string): number {
    let seeds = 0;
    for (const left of this.#providers.get(owner)?.values() ?? []) if (left === 0) seeds++;
    return seeds;
  }

  #count(kind: ProviderChange["kind"], owner: string, peerId: string, left: number): void {
    const known = this.#providers.get(owner);
    if (kind === "removed") {
      known?.delete(peerId);
      if (known?.size === 0) this.#providers.delete(owner);
      return;
    }
    // A client came back as another peer, in place of the one that it was.
    const isBack = kind === "changed" && !known?.has(peerId);
    if (known === undefined || isBack) this.#providers.set(owner, new Map([[peerId, left]]));
    else known.set(peerId, left);
  }

  #takePeer({ owner, address }: Provider): void {
    if (this.#unsubscribe === null || owner === this.#owner) return;
    const colon = address.lastIndexOf(":");
    const host = address.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
    const port = Number(address.slice(colon + 1));
    const isName = !host.includes(":") && !/^[\d.]+$/.test(host);
    if (isName && this.#resolving < RESOLVING_MAX) this.#resolve(host, port);
    else this.#context.handlePeers([{ host, port }]);
  }

  /**
   * Gives a peer that has a name by its address: a peer that dials us as well is known by that, and would be another
   * one under its name.
   */
  async #resolve(name: string, port: number): Promise<void> {
    this.#resolving++;
    // A name that is not known yet, as of a container that starts, is resolved by whoever dials, again and again.
    const host = await lookup(name).then(({ address }) => address, () => name);
    this.#resolving--;
    if (this.#unsubscribe !== null) this.#context.handlePeers([{ host, port }]);
  }
}
