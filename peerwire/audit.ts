/**
 * Whether the books of a download agree with one another: the invariants of the design, counted anew.
 *
 * For tests and the simulator, which call it after every input. Nothing is repaired.
 *
 * @module
 */

import type { Geometry } from "@enjambre/metainfo";
import type { Bitfield } from "./bitfield.ts";
import type { Connection } from "./connection.ts";
import type { Picker } from "./picker.ts";
import { isDrained } from "./pipeline.ts";
import { type BegunPiece, MISSING, RECEIVED, REQUESTED, type RequestTable } from "./requests.ts";

/** What {@linkcode auditDownload} looks at. */
export interface DownloadBooks {
  /** The arithmetic of the torrent. */
  readonly geometry: Geometry;
  /** The pieces that we have. */
  readonly have: Bitfield;
  /** The live connections. */
  readonly connections: readonly Connection[];
  /** Availability and candidates. */
  readonly picker: Picker;
  /** Who was asked for what. */
  readonly table: RequestTable;
  /** The pieces that are being verified and stored. */
  readonly storing: readonly number[];
  /** The pieces whose buffers are being filled. */
  readonly buffers: readonly number[];
  /** How many buffers are out. */
  readonly buffersInUse: number;
  /** Whether nothing more is asked for until the download limit allows it. */
  readonly isWaiting: boolean;
  /** Now. */
  readonly nowMs: number;
}

/**
 * Checks that
 * - every piece is exactly one of: here, at the store, begun, or a candidate;
 * - every block of a begun piece is exactly one of: missing, requested from a live connection, received;
 * - nobody is asked twice for one block, and a connection that chokes us is asked for nothing;
 * - no block is missing while somebody could be asked for it;
 * - availability, interest and all counters are what a fresh count gives.
 *
 * **Errors**: an `Error` that says what does not agree.
 */
export function auditDownload(books: DownloadBooks): void {
  auditPieces(books);
  const requests = auditRequests(books);
  for (const begun of books.table.begun) auditBlocks(books, begun, requests);
  auditPeers(books);
  if (!books.isWaiting) auditIdleness(books);
}

function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(`The books do not agree: ${what}`);
}

function auditPieces(books: DownloadBooks): void {
  const { geometry, have, picker, table, storing, buffers, buffersInUse } = books;
  let candidates = 0;
  for (let piece = 0; piece < geometry.pieceCount; piece++) {
    const places = Number(have.has(piece)) + Number(storing.includes(piece)) +
      Number(table.piece(piece) !== undefined) + Number(picker.isCandidate(piece));
    const isNowhere = places === 0 && !picker.isWanted(piece);
    check(places === 1 || isNowhere, `piece ${piece} is in ${places} places`);
    candidates += Number(picker.isCandidate(piece));
  }
  check(candidates === picker.candidateCount, `${picker.candidateCount} candidates are counted`);
  check(buffers.length === table.begunCount, `${buffers.length} buffers are being filled`);
  check(buffersInUse === buffers.length + storing.length, `${buffersInUse} buffers are out`);
  const withMissing = new Set(table.withMissing);
  for (const begun of table.begun) {
    check(withMissing.has(begun) === begun.missing > 0, `piece ${begun.piece} is listed wrongly`);
    check(buffers.includes(begun.piece), `piece ${begun.piece} has no buffer`);
    check(begun.received < begun.blockCount, `piece ${begun.piece} is complete and not stored`);
  }
}

/** How often each block of each begun piece is asked for, by the connections' own lists. */
type RequestCounts = Map<BegunPiece, { readonly live: Uint16Array; readonly late: Uint16Array }>;

function auditRequests(books: DownloadBooks): RequestCounts {
  const { table, connections } = books;
  const counts: RequestCounts = new Map();
  for (const begun of table.begun) {
    const { blockCount } = begun;
    counts.set(begun, { live: new Uint16Array(blockCount), late: new Uint16Array(blockCount) });
  }
  for (const { id, requests, isChoking } of connections) {
    const seen = new Set<number>();
    let live = 0;
    let late = 0;
    table.forEach(requests, (begun, block, isLate) => {
      const name = begun.piece * books.geometry.blocksPerPiece + block;
      check(!seen.has(name), `connection ${id} is asked twice for ${begun.piece}/${block}`);
      seen.add(name);
      const count = counts.get(begun);
      check(count !== undefined, `connection ${id} is asked for piece ${begun.piece}, not begun`);
      if (isLate) late++, count!.late[block]!++;
      else live++, count!.live[block]!++;
    });
    check(live === requests.live && late === requests.late, `connection ${id} counts wrongly`);
    check(!isChoking || live === 0, `connection ${id} chokes us and is asked for ${live} blocks`);
  }
  return counts;
}

function auditBlocks(books: DownloadBooks, begun: BegunPiece, requests: RequestCounts): void {
  const { live, late } = requests.get(begun)!;
  let missing = 0;
  let received = 0;
  for (let block = 0; block < begun.blockCount; block++) {
    const name = `block ${begun.piece}/${block}`;
    const state = begun.states[block];
    // A request of a connection that is gone would be in the block's list and in nobody's own.
    check(books.table.liveRequests(begun, block) === live[block], `${name} is asked of a ghost`);
    check((state === REQUESTED) === live[block]! > 0, `${name} is asked of ${live[block]}`);
    if (state === MISSING) missing++;
    if (state !== RECEIVED) continue;
    received++;
    check(late[block] === 0, `${name} is here and asked for`);
    check(begun.senders[block]! >= 0, `${name} is here and nobody sent it`);
  }
  check(missing === begun.missing, `piece ${begun.piece} counts ${begun.missing} as missing`);
  check(received === begun.received, `piece ${begun.piece} counts ${begun.received} as here`);
}

function auditPeers(books: DownloadBooks): void {
  const { geometry, connections, have, picker } = books;
  const availability = new Uint32Array(geometry.pieceCount);
  for (const connection of connections) {
    let wanted = 0;
    connection.has.forEachSet((piece) => {
      availability[piece]!++;
      if (!have.has(piece) && picker.isWanted(piece)) wanted++;
    });
    const { id, wantedPieces, amInterested } = connection;
    check(!connection.isClosed, `connection ${id} is closed and listed`);
    check(wanted === wantedPieces, `connection ${id} has ${wanted} wanted pieces`);
    check(amInterested === wanted > 0, `connection ${id}: our interest is ${amInterested}`);
  }
  for (let piece = 0; piece < geometry.pieceCount; piece++) {
    check(picker.availabilityOf(piece) === availability[piece], `availability of ${piece} is off`);
  }
}

/** Whether somebody has so much room that it is due to be asked, has a missing block, and is not asked for it. */
function auditIdleness(books: DownloadBooks): void {
  const { connections, table, nowMs } = books;
  for (const connection of connections) {
    const { id, isChoking, requests, askAgainAtMs, has } = connection;
    if (isChoking || !isDrained(connection) || nowMs < askAgainAtMs) continue;
    for (const begun of table.withMissing) {
      if (!has.has(begun.piece) || begun.soleConnection >= 0) continue;
      for (let block = 0; block < begun.blockCount; block++) {
        if (begun.states[block] !== MISSING || table.wasAsked(requests, begun, block)) continue;
        check(false, `connection ${id} could be asked for ${begun.piece}/${block}, and is not`);
      }
    }
  }
}
