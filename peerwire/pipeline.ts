/**
 * How many requests each peer is given, and how long it may take to answer them.
 *
 * @module
 */

import { BLOCK_BYTES } from "@enjambre/metainfo";
import { type Connection, PIPELINE_BLOCKS_INITIAL } from "./connection.ts";

/** Fewest requests kept at a peer that lets us ask: enough that it is never idle while one answer is on its way. */
const PIPELINE_BLOCKS_MIN = 5;

/** Most requests kept at one peer: 8 MiB in flight, a gigabit over 60 ms. */
const PIPELINE_BLOCKS_MAX = 500;

/**
 * What waits at a peer beyond what is on its way: enough to bridge its pauses. More is work that others could do by
 * then: of a seed and 50 leechers at 4 MB/s, the last was complete after 1.25 times the bound with 250 ms of it, after
 * 1.20 with 100 or 150 ms (`tests/sim/distribution.ts`).
 */
const QUEUE_MS = 150;

/** A long pipeline is filled again when this part of it was answered: what waits at the peer bridges that. */
const REFILL_SHARE = 8;

/** A pipeline is long from here on: 2 MiB in flight. Shorter ones are filled with every block: they have nothing to spare. */
const LONG_PIPELINE_BLOCKS = 128;

/** A rate is not to be believed before this time after the first block: it is over a second at least. */
const RATE_MS_MIN = 2000;

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

/** Sets how many requests a connection gets: what it sends while a request goes there and its answer back, and a little more. */
export function adaptPipeline(connection: Connection, nowMs: number): void {
  const rate = connection.pipelineRate.bytesPerSecond(nowMs);
  const { wayMs, firstBlockAtMs } = connection;
  let blocks = Math.ceil(rate * (wayMs + QUEUE_MS) / 1000 / BLOCK_BYTES);
  const isYoung = firstBlockAtMs < 0 || nowMs - firstBlockAtMs < RATE_MS_MIN;
  if (connection.isProbing) blocks = Math.max(blocks, connection.pipelineBlocks);
  else if (isYoung) blocks = Math.max(blocks, PIPELINE_BLOCKS_INITIAL);
  if (connection.isSnubbed) blocks = PIPELINE_BLOCKS_MIN;
  connection.pipelineBlocks = Math.min(
    Math.max(blocks, PIPELINE_BLOCKS_MIN),
    requestsMax(connection),
  );
}

/**
 * A block came: learns the way there and back, and lets the pipeline grow by a block per block until answers queue up.
 *
 * @param askedAtMs when it was asked for
 */
export function handleAnswer(connection: Connection, askedAtMs: number, nowMs: number): void {
  const answerMs = nowMs - askedAtMs;
  if (connection.firstBlockAtMs < 0) connection.firstBlockAtMs = nowMs;
  if (answerMs < connection.wayMs) connection.wayMs = answerMs;
  if (!connection.isProbing) return;
  if (answerMs > connection.wayMs + QUEUE_MS) connection.isProbing = false;
  else connection.pipelineBlocks++;
}

/** Once a second: notes the rate of a peer that sends. */
export function followRate(connection: Connection, nowMs: number): void {
  adaptPipeline(connection, nowMs);
  const rate = connection.pipelineRate.bytesPerSecond(nowMs);
  if (rate > 0 && nowMs - connection.lastBlockAtMs < STEADY_MS) connection.steadyRate = rate;
}

/** Gives a peer that sends nothing the smallest pipeline, until it sends again. */
export function snub(connection: Connection, nowMs: number): void {
  connection.isSnubbed = true;
  connection.isProbing = false;
  connection.lastBlockAtMs = nowMs; // what it is asked for from here on has its own time
  adaptPipeline(connection, nowMs);
}

/** Whether nothing is known yet of what a connection would send: it was never asked. */
export function isUntried({ downloadedBytes, isSnubbed, requests }: Connection): boolean {
  return downloadedBytes === 0 && !isSnubbed && requests.live + requests.late === 0;
}

/** How many more requests a connection's pipeline takes. */
export function room(connection: Connection): number {
  return connection.pipelineBlocks - connection.requests.live;
}

/**
 * Whether so much of a connection's pipeline was answered that it is time to fill it again. Of a long one not for every
 * block: a few large messages wake both sides less often than many small ones. hot: bench/leech.ts
 */
export function isDrained(connection: Connection): boolean {
  const { pipelineBlocks } = connection;
  const isLong = pipelineBlocks >= LONG_PIPELINE_BLOCKS;
  return room(connection) >= (isLong ? Math.floor(pipelineBlocks / REFILL_SHARE) : 1);
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
  const rate = connection.pipelineRate.bytesPerSecond(nowMs);
  // Who owes nothing is idle because it was asked for nothing: its rate of before is the best guess.
  const isIdle = connection.requests.live === 0;
  return blocks * BLOCK_BYTES * 1000 / (isIdle ? Math.max(rate, connection.steadyRate) : rate);
}
