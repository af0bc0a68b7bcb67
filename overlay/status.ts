/**
 * How a node is: what `enjambre overlay status` shows.
 *
 * @module
 */

import type { Message } from "./messages.ts";
import type { Member } from "./membership.ts";
import type { Offence } from "./senders.ts";

/** What a node has said and heard. */
export interface TrafficTotals {
  /** Messages sent. */
  readonly messagesSent: number;
  /** Bytes sent, line ends included. */
  readonly bytesSent: number;
  /** Bytes received. */
  readonly bytesReceived: number;
  /** Bytes sent by type of message. */
  readonly bytesByType: Readonly<Partial<Record<Message["type"], number>>>;
}

/** How a node is. */
export interface NodeStatus {
  /** Where others reach it. */
  readonly address: string;
  /** Its public key. */
  readonly owner: string;
  /** How many members it knows, by state. */
  readonly members: Readonly<Record<Member["state"], number>>;
  /** Records it holds. */
  readonly records: number;
  /** Chains of beats that it follows. */
  readonly chains: number;
  /** The digest over its records: the same on nodes that hold the same. */
  readonly digest: string;
  /** Rounds so far. */
  readonly rounds: number;
  /** How long ago an exchange last found nothing to fetch; `null` for never. */
  readonly lagMs: number | null;
  /** How many nodes hold each info-hash; `null` where all hold all. */
  readonly replicas: number | null;
  /** Members that it suspected so far. */
  readonly suspicions: number;
  /** Signatures that it verified. */
  readonly verified: number;
  /** Records that it had no room for, or that came faster than their owner may speak. */
  readonly refused: number;
  /** What others sent that they should not have, by kind. */
  readonly offences: Readonly<Record<Offence, number>>;
  /** What it said and heard. */
  readonly traffic: TrafficTotals;
}

/** Counts what goes over the wire. */
export class Traffic {
  #messagesSent = 0;
  #bytesSent = 0;
  #bytesReceived = 0;
  readonly #bytesByType: Partial<Record<Message["type"], number>> = {};

  /** Counts a message that is sent. */
  count(type: Message["type"], bytes: number): void {
    this.#messagesSent++;
    this.#bytesSent += bytes;
    this.#bytesByType[type] = (this.#bytesByType[type] ?? 0) + bytes;
  }

  /** Counts bytes that came. */
  received(bytes: number): void {
    this.#bytesReceived += bytes;
  }

  /** What was counted so far. */
  totals(): TrafficTotals {
    return {
      messagesSent: this.#messagesSent,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      bytesByType: { ...this.#bytesByType },
    };
  }
}
