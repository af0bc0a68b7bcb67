/**
 * An overlay node over TCP: the clock, the timer and the sockets of a {@linkcode Node}.
 *
 * @module
 */

import { decodeOld, encodeGossip, encodeOldAnswer, UnsignedProviders } from "./compat.ts";
import { Connections } from "./connections_deno.ts";
import { makeSigner, makeVerify, sha256 } from "./keys_deno.ts";
import { merged } from "./lookups.ts";
import { Node } from "./node.ts";
import type { NodeOptions } from "./options.ts";
import type { Announcement, Signer } from "./own_records.ts";
import type { HeardRecord, Provider, ProviderChange } from "./record_map.ts";
import { ROUND_MS } from "./rounds.ts";
import type { NodeStatus } from "./status.ts";

/** The name of an overlay that has none. */
export const CLUSTER_DEFAULT = "enjambre";
/** How long saying goodbye may take. */
const FAREWELL_MS = 1500;

/** What an {@linkcode OverlayNode} is made from. */
export interface OverlayNodeOptions extends
  Partial<
    Pick<
      NodeOptions,
      | "bootstrap"
      | "replication"
      | "membersMax"
      | "recordsMax"
      | "recordsPerOwnerMax"
      | "isTrusted"
      | "onRecord"
    >
  > {
  /** The name or address under which others reach this node. */
  readonly hostname: string;
  /** The port to listen on; 0 for any that is free. */
  readonly port: number;
  /** The address to listen on; default: all. */
  readonly listenOn?: string;
  /** Which overlay; nodes of others are strangers. Default: {@linkcode CLUSTER_DEFAULT}. */
  readonly cluster?: string;
  /** What all members share: without it nobody joins. Default: an open overlay. */
  readonly secret?: string;
  /** Signs our records; default: a key for this run alone. See {@linkcode loadSigner}. */
  readonly signer?: Signer;
  /** Is told of whoever greets as a member and has another secret, or none: its host, or the address we dialled. */
  readonly onUnproven?: (from: string) => void;
  /** Whether the unsigned messages of old nodes are understood. */
  readonly compat?: boolean;
}

/** How a node and its connections are. */
export interface OverlayStatus extends NodeStatus {
  /** Connections that others made to us. */
  readonly incoming: number;
  /** Connections that we made. */
  readonly outgoing: number;
  /** Hosts that are refused for a while. */
  readonly refusedHosts: number;
  /** Providers that only old nodes told us of. */
  readonly unsigned: number;
}

/**
 * Takes part in an overlay.
 *
 * @example
 * ```ts
 * import { OverlayNode } from "@enjambre/overlay";
 * import { assertEquals } from "@std/assert";
 *
 * const [infoHash, peerId] = ["aa".repeat(20), "bb".repeat(20)];
 * const local = { hostname: "127.0.0.1", listenOn: "127.0.0.1", port: 0 };
 * const seed = OverlayNode.listen(local);
 * const leecher = OverlayNode.listen({ ...local, bootstrap: [seed.address] });
 *
 * seed.announce({ infoHash, peerId, address: "127.0.0.1:6881", left: 0 });
 * const [provider] = await leecher.lookup(infoHash, 1);
 * assertEquals(provider?.address, "127.0.0.1:6881");
 *
 * await leecher.close();
 * await seed.close();
 * ```
 */
export class OverlayNode {
  readonly #connections: Connections;
  readonly #node: Node;
  readonly #bootstrap: readonly string[];
  readonly #unsigned: UnsignedProviders | null;
  readonly #listeners = new Set<
    { infoHash: string | null; listener: (change: ProviderChange) => void }
  >();
  readonly #gossip: ReturnType<typeof setInterval> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armedForMs = Infinity;
  #isClosed = false;

  private constructor(tcp: Deno.TcpListener, options: OverlayNodeOptions) {
    const { hostname, bootstrap = [], cluster = CLUSTER_DEFAULT, secret = "", isTrusted = false } =
      options;
    const host = hostname.includes(":") ? `[${hostname}]` : hostname;
    const address = `${host}:${tcp.addr.port}`;
    this.#bootstrap = bootstrap;
    this.#unsigned = options.compat === true ? new UnsignedProviders() : null;
    this.#node = new Node({
      ...options,
      address,
      bootstrap,
      signer: options.signer ?? makeSigner(),
      verify: makeVerify(),
      hash: sha256,
      makeSecret: () => crypto.getRandomValues(new Uint8Array(16)),
      random: Math.random,
      onChange: (change) => this.#tell(change),
    }, {
      send: (to, line) => this.#connections.send(to, line),
      refuse: (endpoint) => this.#connections.refuse(endpoint),
    });
    this.#connections = new Connections(tcp, { cluster, address, secret, isTrusted }, {
      greeted: (endpoint, address) =>
        this.#input((nowMs) => this.#node.handleGreeting(endpoint, address, nowMs)),
      ourselves: (address) => this.#input(() => this.#node.handleOurselves(address)),
      unproven: (from) => {
        if (!this.#isClosed) options.onUnproven?.(from);
      },
      line: (endpoint, line) =>
        this.#input((nowMs) => this.#node.handleLine(endpoint, line, nowMs)),
      malformed: (endpoint) => this.#input((nowMs) => this.#node.handleMalformed(endpoint, nowMs)),
      stranger: (line) => this.#answerOld(line),
      closed: (endpoint) => this.#input((nowMs) => this.#node.handleClosed(endpoint, nowMs)),
    });
    if (options.compat === true) this.#gossip = setInterval(() => this.#tellOld(), ROUND_MS);
    this.#input((nowMs) => this.#node.start(nowMs));
  }

  /** Listens, and goes to where it was told to begin. @throws {Deno.errors.AddrInUse} where the port is taken */
  static listen(options: OverlayNodeOptions): OverlayNode {
    const { port, listenOn } = options;
    const tcp = Deno.listen({ port, ...(listenOn !== undefined && { hostname: listenOn }) });
    return new OverlayNode(tcp, options);
  }

  /** Where others reach this node. */
  get address(): string {
    return this.#node.status(performance.now()).address;
  }

  /** Our public key. */
  get owner(): string {
    return this.#node.owner;
  }

  /** Whether no further record of others is taken for want of room. */
  get isFull(): boolean {
    return this.#node.map.isFull;
  }

  /** Announces a provider, ourselves or one that we speak for; again when something of it changes. */
  announce(announcement: Announcement): void {
    this.#input((nowMs) => void this.#node.announce(announcement, nowMs, Date.now()));
  }

  /** Tells that we left a swarm, or with a slot, that whom we spoke for did. */
  leave(infoHash: string, slot = ""): void {
    this.#input((nowMs) => this.#node.leave(infoHash, slot, nowMs, Date.now()));
  }

  /** Finds providers, the most recently heard of first: those known here, and if they are too few, what others know. */
  async lookup(infoHash: string, wanted: number): Promise<Provider[]> {
    const { promise, resolve } = Promise.withResolvers<Provider[]>();
    this.#input((nowMs) => this.#node.lookup(infoHash, wanted, resolve, nowMs));
    const found = await promise;
    const unsigned = this.#unsigned?.providers(infoHash, performance.now()) ?? [];
    return unsigned.length === 0 ? found : merged([...found, ...unsigned], wanted);
  }

  /**
   * Tells of every provider that comes, changes or goes, of one info-hash or of all; those who are known
   * already are told of as added, before this returns. The listener does not call the node back.
   *
   * @returns what ends it
   */
  subscribe(infoHash: string | null, listener: (change: ProviderChange) => void): () => void {
    const entry = { infoHash, listener };
    this.#listeners.add(entry);
    if (infoHash !== null) this.#input((nowMs) => this.#node.watch(infoHash, nowMs));
    const nowMs = performance.now();
    const infoHashes = infoHash === null ? this.#node.map.infoHashes() : [infoHash];
    for (const known of infoHashes) {
      for (const provider of this.#node.map.providers(known, nowMs)) {
        listener({ kind: "added", provider });
      }
    }
    return () => {
      this.#listeners.delete(entry);
      const others = [...this.#listeners].some((other) => other.infoHash === infoHash);
      if (infoHash !== null && !others) this.#node.unwatch(infoHash);
    };
  }

  /**
   * What all owners say under one slot of an info-hash, those who say that it left included; times are those of
   * `performance.now`.
   */
  recordsIn(infoHash: string, slot: string): HeardRecord[] {
    return this.#node.map.recordsIn(infoHash, slot);
  }

  /** How it is. */
  status(): OverlayStatus {
    return {
      ...this.#node.status(performance.now()),
      ...this.#connections.counts,
      unsigned: this.#unsigned?.size ?? 0,
    };
  }

  /** The members it knows: their addresses and how they are. */
  members(): { readonly address: string; readonly state: string }[] {
    return [...this.#node.membership.all()].map(({ address, state }) => ({ address, state }));
  }

  /** Tells that we leave, and ends. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#node.leaveAll(performance.now(), Date.now());
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#gossip);
    await this.#connections.close(FAREWELL_MS);
  }

  /** Gives the node one input, and has the timer follow its deadline. */
  #input(handle: (nowMs: number) => void): void {
    if (this.#isClosed) return;
    handle(performance.now());
    const deadlineMs = this.#node.nextDeadlineMs;
    if (deadlineMs >= this.#armedForMs) return;
    clearTimeout(this.#timer);
    this.#armedForMs = deadlineMs;
    this.#timer = setTimeout(() => {
      this.#armedForMs = Infinity;
      this.#input((nowMs) => this.#node.handleTime(nowMs));
    }, Math.max(0, deadlineMs - performance.now()));
  }

  #tell(change: ProviderChange): void {
    for (const { infoHash, listener } of this.#listeners) {
      if (infoHash === null || infoHash === change.provider.infoHash) listener(change);
    }
  }

  /** Understands an old node's one line. */
  #answerOld(line: string): string {
    const message = this.#unsigned === null ? null : decodeOld(line);
    if (message === null) return "";
    const nowMs = performance.now();
    if (message.type === "lookup") {
      const { infoHash, limit } = message;
      const known = this.#node.map.providers(infoHash, nowMs);
      const unsigned = this.#unsigned!.providers(infoHash, nowMs);
      return encodeOldAnswer(merged([...known, ...unsigned], 1000), limit, nowMs, Date.now());
    }
    this.#unsigned!.tell(message.infoHash, message.providers, nowMs);
    for (const provider of this.#unsigned!.providers(message.infoHash, nowMs)) {
      if (provider.lastSeenMs === nowMs) this.#tell({ kind: "changed", provider });
    }
    return "";
  }

  /** Tells old nodes what we know, as they do: all of it, every round, to those where we were to begin. */
  #tellOld(): void {
    const nowMs = performance.now();
    for (const address of this.#bootstrap) {
      if (this.#node.membership.get(address)?.state === "alive") continue;
      for (const infoHash of this.#node.map.infoHashes()) {
        const providers = this.#node.map.providers(infoHash, nowMs);
        if (providers.length === 0) continue;
        this.#connections.sayOnce(address, encodeGossip(infoHash, providers, nowMs, Date.now()));
      }
    }
  }
}
