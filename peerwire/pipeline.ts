/**
 * How many requests each peer is given, and how long it may take to answer them.
 *
 * @module
 */

import { BLOCK_BYTES } from "@enjambre/metainfo";
import type { Connection } from "./connection.ts";

/** Fewest requests kept at a peer that lets us ask: enough that it is never idle while one answer is on its way. */
const PIPELINE_BLOCKS_MIN = 5;

/** Most requests kept at one peer: 8 MiB in flight, a gigabit over 60 ms. */
const PIPELINE_BLOCKS_MAX = 500;

/** A pipeline holds what the peer sends in this time, so that lines of up to this delay are kept full. */
const PIPELINE_SECONDS = 1;

/** A pipeline goes on growing by a block per block while the rate grows by this factor a second. */
const PROBE_GROWTH = 1.1;

/** A request is given up on after this many times the time in which the peer's rate would bring it. */
const ANSWER_FACTOR = 4;

/** No request is given up on sooner: lines and disks pause for a moment, and TCP may repeat a packet twice. */
const ANSWER_MS_MIN = 5000;

/** Every request is given up on by then, however slow the peer: five blocks at 1 KiB/s. */
const ANSWER_MS_MAX = 80_000;

/** A peer sends as expected while its last block is no older than this. */
const STEADY_MS = 2000;

/** What is waited for from a peer that has sent nothing yet. */
const FIRST_ANSWER_MS = 15_000;

/** Sets how many requests a connection gets by what it delivers. */
export function adaptPipeline(connection: Connection, nowMs: number): void {
  const rate = connection.pipelineRate.bytesPerSecond(nowMs);
  let blocks = Math.ceil(rate * PIPELINE_SECONDS / BLOCK_BYTES);
  if (connection.isProbing) blocks = Math.max(blocks, connection.pipelineBlocks);
  if (connection.isSnubbed) blocks = PIPELINE_BLOCKS_MIN;
  connection.pipelineBlocks = Math.min(
    Math.max(blocks, PIPELINE_BLOCKS_MIN),
    requestsMax(connection),
  );
}

/** Once a second: ends the growth of a pipeline that brings no more, and notes the rate while the peer sends. */
export function followRate(connection: Connection, nowMs: number): void {
  adaptPipeline(connection, nowMs);
  const rate = connection.pipelineRate.bytesPerSecond(nowMs);
  if (rate <= 0) return;
  if (connection.isProbing) {
    connection.isProbing = rate > connection.probedRate * PROBE_GROWTH;
    connection.probedRate = rate;
  }
  if (nowMs - connection.lastBlockAtMs < STEADY_MS) connection.steadyRate = rate;
}

/** Gives a peer that sends nothing the smallest pipeline, until it sends again. */
export function snub(connection: Connection, nowMs: number): void {
  connection.isSnubbed = true;
  connection.isProbing = false;
  connection.lastBlockAtMs = nowMs; // what it is asked for from here on has its own time
  adaptPipeline(connection, nowMs);
}

/** How many more requests a connection's pipeline takes. */
export function room(connection: Connection): number {
  return connection.pipelineBlocks - connection.requests.live;
}

/** How long a connection may take to send so many blocks, going by what it sent while it sent something. */
export function answerMs(connection: Connection, blocks: number): number {
  if (connection.steadyRate <= 0) return FIRST_ANSWER_MS;
  const expectedMs = blocks * BLOCK_BYTES * 1000 / connection.steadyRate;
  return Math.min(Math.max(ANSWER_FACTOR * expectedMs, ANSWER_MS_MIN), ANSWER_MS_MAX);
}

/** How many requests a connection may have at once, whatever its rate. */
export function requestsMax(connection: Connection): number {
  return Math.min(PIPELINE_BLOCKS_MAX, connection.peerQueueBlocks);
}

/** Whether a request to this peer can be hoped to be answered. */
export function canBeAsked(connection: Connection, nowMs: number): boolean {
  return !connection.isChoking && !connection.isClosed && connection.amInterested &&
    nowMs >= connection.askAgainAtMs;
}

/** In what time a connection will have sent so many blocks, at its rate. */
export function expectedMs(connection: Connection, blocks: number, nowMs: number): number {
  return blocks * BLOCK_BYTES * 1000 / connection.pipelineRate.bytesPerSecond(nowMs);
}
