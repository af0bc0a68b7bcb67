import { formatIp } from "./address.ts";
import { HASH_BYTES, type TrackerEvent, type TrackerPeer } from "./announce.ts";
import type {
  UdpAnnounceRequest,
  UdpAnnounceResponse,
  UdpInvalid,
  UdpRequest,
  UdpResponse,
  UdpScrapeCounts,
  UdpScrapeRequest,
} from "./udp_messages.ts";

// Whoever encodes and decodes needs them too.
export type * from "./udp_messages.ts";

/** The first half of the number that a connect request begins with (BEP 15). */
export const UDP_PROTOCOL_HIGH = 0x417;
/** The second half of the number that a connect request begins with (BEP 15). */
export const UDP_PROTOCOL_LOW = 0x27101980;

/** How many info-hashes a scrape over UDP may name (BEP 15): their packet stays below 1,500 bytes. */
export const UDP_SCRAPE_HASHES_MAX = 74;

/** How long a packet may be that is read, beyond what any link carries in one piece: 8 KiB. */
export const UDP_PACKET_BYTES_MAX = 8192;

/** How long the path and query of a tracker's URL may be that are sent along (BEP 41): eight options. */
export const UDP_URL_DATA_BYTES_MAX: number = 8 * 255;

/** What an announce's answer holds before its peers. */
export const UDP_ANNOUNCE_HEAD_BYTES = 20;

/** What every request but the connect holds before its own fields, and all of a connect. */
const REQUEST_HEAD_BYTES = 16;
const ANNOUNCE_BYTES = 98;
const SCRAPE_COUNTS_BYTES = 12;
/** How many bytes of an error's message are read and sent. */
const MESSAGE_BYTES_MAX = 1024;

const CONNECT = 0;
const ANNOUNCE = 1;
const SCRAPE = 2;
const ERROR = 3;

/** The numbers of the events, by place (BEP 15). */
const EVENTS: readonly TrackerEvent[] = ["", "completed", "started", "stopped"];

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_URL_DATA = 2;

/** Writes a connect request, 16 bytes. */
export function encodeUdpConnect(transactionId: number): Uint8Array<ArrayBuffer> {
  return newPacket(
    REQUEST_HEAD_BYTES,
    UDP_PROTOCOL_HIGH,
    UDP_PROTOCOL_LOW,
    CONNECT,
    transactionId,
  );
}

/**
 * Writes an announce, 98 bytes and the options.
 *
 * **Errors**: `RangeError` for an info-hash or peer id that is not 20 bytes, and for more than
 * {@link UDP_URL_DATA_BYTES_MAX} of URL data. Numbers are taken modulo the size of their field.
 */
export function encodeUdpAnnounce(
  request: Omit<UdpAnnounceRequest, "action">,
): Uint8Array<ArrayBuffer> {
  const { urlData } = request;
  if (urlData.length > UDP_URL_DATA_BYTES_MAX) {
    throw new RangeError(
      `Cannot announce: URL data is ${urlData.length} bytes, limit is ${UDP_URL_DATA_BYTES_MAX}`,
    );
  }
  checkHash("info-hash", request.infoHash);
  checkHash("peer id", request.peerId);
  const optionBytes = urlData.length + 2 * Math.ceil(urlData.length / 255);
  const { connectionHigh, connectionLow, transactionId } = request;
  const packet = newPacket(
    ANNOUNCE_BYTES + optionBytes,
    connectionHigh,
    connectionLow,
    ANNOUNCE,
    transactionId,
  );
  packet.set(request.infoHash, 16);
  packet.set(request.peerId, 36);
  const view = viewOf(packet);
  writeUint64(view, 56, request.downloaded);
  writeUint64(view, 64, request.left);
  writeUint64(view, 72, request.uploaded);
  view.setUint32(80, EVENTS.indexOf(request.event));
  view.setUint32(84, request.ip);
  view.setUint32(88, request.key);
  view.setInt32(92, request.numWant === null ? -1 : Math.min(request.numWant, 0x7fffffff));
  view.setUint16(96, request.port);
  let at = ANNOUNCE_BYTES;
  for (let from = 0; from < urlData.length; from += 255) {
    const part = urlData.slice(from, from + 255);
    packet[at++] = OPTION_URL_DATA;
    packet[at++] = part.length;
    for (let i = 0; i < part.length; i++) packet[at++] = part.charCodeAt(i);
  }
  return packet;
}

/**
 * Writes a scrape.
 *
 * **Errors**: `RangeError` for no info-hash, too many, or one that is not 20 bytes.
 */
export function encodeUdpScrape(
  request: Omit<UdpScrapeRequest, "action">,
): Uint8Array<ArrayBuffer> {
  const { connectionHigh, connectionLow, transactionId, infoHashes } = request;
  if (infoHashes.length < 1 || infoHashes.length > UDP_SCRAPE_HASHES_MAX) {
    throw new RangeError(
      `Cannot scrape ${infoHashes.length} info-hashes: should be 1 to ${UDP_SCRAPE_HASHES_MAX}`,
    );
  }
  const bytes = REQUEST_HEAD_BYTES + HASH_BYTES * infoHashes.length;
  const packet = newPacket(bytes, connectionHigh, connectionLow, SCRAPE, transactionId);
  infoHashes.forEach((infoHash, i) => {
    checkHash("info-hash", infoHash);
    packet.set(infoHash, REQUEST_HEAD_BYTES + HASH_BYTES * i);
  });
  return packet;
}

/**
 * Reads what a peer sent.
 *
 * What follows the fields of a connect is skipped, as BEP 15 wants it; what follows those of an announce
 * are options (BEP 41), of which unknown ones are skipped.
 *
 * **Ownership**: the info-hashes and the peer id of the result are views of `packet`.
 *
 * **Errors**: none is thrown; what cannot be read is a value, {@link UdpInvalid}.
 */
export function decodeUdpRequest(packet: Uint8Array): UdpRequest | UdpInvalid {
  if (packet.length < REQUEST_HEAD_BYTES) {
    return invalid(`length is ${packet.length} bytes, should be ${REQUEST_HEAD_BYTES} at least`);
  }
  const view = viewOf(packet);
  const head = {
    connectionHigh: view.getUint32(0),
    connectionLow: view.getUint32(4),
    transactionId: view.getUint32(12),
  };
  if (packet.length > UDP_PACKET_BYTES_MAX) {
    return invalid(`length is ${packet.length} bytes, limit is ${UDP_PACKET_BYTES_MAX}`, head);
  }
  const action = view.getUint32(8);
  if (action === ANNOUNCE) return readAnnounce(packet, view, head);
  if (action === SCRAPE) return readScrape(packet, head);
  if (action !== CONNECT) return invalid(`action is ${action}, should be 0, 1 or 2`, head);
  if (head.connectionHigh !== UDP_PROTOCOL_HIGH || head.connectionLow !== UDP_PROTOCOL_LOW) {
    return invalid("a connect should begin with the number of the protocol", head);
  }
  return { action: "connect", transactionId: head.transactionId };
}

/** Writes the answer to a connect, 16 bytes. */
export function encodeUdpConnectResponse(
  transactionId: number,
  connectionHigh: number,
  connectionLow: number,
): Uint8Array<ArrayBuffer> {
  return newPacket(REQUEST_HEAD_BYTES, CONNECT, transactionId, connectionHigh, connectionLow);
}

/**
 * Writes what an announce's answer holds before its peers; those follow from
 * {@link UDP_ANNOUNCE_HEAD_BYTES} on, 6 bytes each for a peer that asked over IPv4, 18 over IPv6.
 */
export function writeUdpAnnounceHead(
  target: Uint8Array,
  transactionId: number,
  intervalSeconds: number,
  leechers: number,
  seeders: number,
): void {
  const view = viewOf(target);
  view.setUint32(0, ANNOUNCE);
  view.setUint32(4, transactionId);
  view.setUint32(8, intervalSeconds);
  view.setUint32(12, leechers);
  view.setUint32(16, seeders);
}

/** Writes the answer to an announce; `peers` in the compact form, 6 or 18 bytes each. */
export function encodeUdpAnnounceResponse(
  answer: Omit<UdpAnnounceResponse, "action" | "peers">,
  peers: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(UDP_ANNOUNCE_HEAD_BYTES + peers.length);
  const { transactionId, intervalSeconds, leechers, seeders } = answer;
  writeUdpAnnounceHead(packet, transactionId, intervalSeconds, leechers, seeders);
  packet.set(peers, UDP_ANNOUNCE_HEAD_BYTES);
  return packet;
}

/** Writes the answer to a scrape; `counts` in the order of the request. */
export function encodeUdpScrapeResponse(
  transactionId: number,
  counts: readonly UdpScrapeCounts[],
): Uint8Array<ArrayBuffer> {
  const packet = newPacket(8 + SCRAPE_COUNTS_BYTES * counts.length, SCRAPE, transactionId);
  const view = viewOf(packet);
  counts.forEach(({ seeders, completed, leechers }, i) => {
    const at = 8 + SCRAPE_COUNTS_BYTES * i;
    view.setUint32(at, seeders);
    view.setUint32(at + 4, completed);
    view.setUint32(at + 8, leechers);
  });
  return packet;
}

/** Writes a refusal; of a long message 1 KiB is sent. */
export function encodeUdpError(transactionId: number, message: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(message).subarray(0, MESSAGE_BYTES_MAX);
  const packet = newPacket(8 + text.length, ERROR, transactionId);
  packet.set(text, 8);
  return packet;
}

/**
 * Reads what a tracker sent. Its peers are of the family that was asked over: `ipBytes` is 4 or 16.
 *
 * **Ownership**: the message of a refusal is a view of `packet`; the peers are the caller's.
 *
 * **Errors**: none is thrown; what cannot be read is a value, {@link UdpInvalid}.
 */
export function decodeUdpResponse(packet: Uint8Array, ipBytes: 4 | 16): UdpResponse | UdpInvalid {
  if (packet.length < 8) return invalid(`length is ${packet.length} bytes, should be 8 at least`);
  const view = viewOf(packet);
  const transactionId = view.getUint32(4);
  const head = { transactionId, connectionHigh: 0, connectionLow: 0 };
  const short = (bytes: number): UdpInvalid =>
    invalid(`length is ${packet.length} bytes, should be ${bytes} at least`, head);
  const action = view.getUint32(0);
  if (action === CONNECT) {
    if (packet.length < 16) return short(16);
    const connectionHigh = view.getUint32(8);
    return { action: "connect", transactionId, connectionHigh, connectionLow: view.getUint32(12) };
  }
  if (action === ANNOUNCE) {
    if (packet.length < UDP_ANNOUNCE_HEAD_BYTES) return short(UDP_ANNOUNCE_HEAD_BYTES);
    const peers = readPeers(packet, view, ipBytes);
    if (peers === null) {
      const found = packet.length - UDP_ANNOUNCE_HEAD_BYTES;
      return invalid(`its peers take ${found} bytes, should be ${ipBytes + 2} each`, head);
    }
    return {
      action: "announce",
      transactionId,
      intervalSeconds: view.getUint32(8),
      leechers: view.getUint32(12),
      seeders: view.getUint32(16),
      peers,
    };
  }
  if (action === SCRAPE) {
    const bytes = packet.length - 8;
    if (bytes % SCRAPE_COUNTS_BYTES !== 0) {
      return invalid(`its counts take ${bytes} bytes, should be ${SCRAPE_COUNTS_BYTES} each`, head);
    }
    const counts: UdpScrapeCounts[] = [];
    for (let at = 8; at < packet.length; at += SCRAPE_COUNTS_BYTES) {
      counts.push({
        seeders: view.getUint32(at),
        completed: view.getUint32(at + 4),
        leechers: view.getUint32(at + 8),
      });
    }
    return { action: "scrape", transactionId, counts };
  }
  if (action !== ERROR) return invalid(`action is ${action}, should be 0 to 3`, head);
  return { action: "error", transactionId, message: packet.subarray(8, 8 + MESSAGE_BYTES_MAX) };
}

/** What stands at the same place in every request. */
type Head = Pick<UdpAnnounceRequest, "connectionHigh" | "connectionLow" | "transactionId">;

function readAnnounce(
  packet: Uint8Array,
  view: DataView,
  head: Head,
): UdpAnnounceRequest | UdpInvalid {
  if (packet.length < ANNOUNCE_BYTES) {
    return invalid(`length is ${packet.length} bytes, should be ${ANNOUNCE_BYTES} at least`, head);
  }
  const event = EVENTS[view.getUint32(80)];
  if (event === undefined) {
    return invalid(`event is ${view.getUint32(80)}, should be 0 to 3`, head);
  }
  const port = view.getUint16(96);
  if (port === 0) return invalid("port is 0, should be 1 to 65535", head);
  const urlData = readUrlData(packet);
  if (urlData === null) return invalid("an option runs past the end", head);
  const numWant = view.getInt32(92);
  return {
    action: "announce",
    connectionHigh: head.connectionHigh,
    connectionLow: head.connectionLow,
    transactionId: head.transactionId,
    infoHash: packet.subarray(16, 36),
    peerId: packet.subarray(36, 56),
    downloaded: readUint64(view, 56),
    left: readUint64(view, 64),
    uploaded: readUint64(view, 72),
    event,
    ip: view.getUint32(84),
    key: view.getUint32(88),
    numWant: numWant < 0 ? null : numWant,
    port,
    urlData,
  };
}

/** The URL data of all options together; `null` where one of them runs past the end. */
function readUrlData(packet: Uint8Array): string | null {
  let urlData = "";
  for (let at = ANNOUNCE_BYTES; at < packet.length;) {
    const option = packet[at++]!;
    if (option === OPTION_END) break;
    if (option === OPTION_NOP) continue;
    // The NaN of a length that is missing fails the comparison too.
    const end = at + 1 + packet[at]!;
    if (!(end <= packet.length)) return null;
    if (option === OPTION_URL_DATA) {
      for (let i = at + 1; i < end; i++) urlData += String.fromCharCode(packet[i]!);
    }
    at = end;
  }
  return urlData;
}

function readScrape(packet: Uint8Array, head: Head): UdpScrapeRequest | UdpInvalid {
  const bytes = packet.length - REQUEST_HEAD_BYTES;
  const count = bytes / HASH_BYTES;
  if (!Number.isInteger(count)) {
    return invalid(`its info-hashes take ${bytes} bytes, should be ${HASH_BYTES} each`, head);
  }
  if (count < 1 || count > UDP_SCRAPE_HASHES_MAX) {
    return invalid(`it names ${count} info-hashes, should be 1 to ${UDP_SCRAPE_HASHES_MAX}`, head);
  }
  const infoHashes: Uint8Array[] = [];
  for (let at = REQUEST_HEAD_BYTES; at < packet.length; at += HASH_BYTES) {
    infoHashes.push(packet.subarray(at, at + HASH_BYTES));
  }
  const { connectionHigh, connectionLow, transactionId } = head;
  return { action: "scrape", connectionHigh, connectionLow, transactionId, infoHashes };
}

function readPeers(packet: Uint8Array, view: DataView, ipBytes: 4 | 16): TrackerPeer[] | null {
  const peerBytes = ipBytes + 2;
  if ((packet.length - UDP_ANNOUNCE_HEAD_BYTES) % peerBytes !== 0) return null;
  const peers: TrackerPeer[] = [];
  for (let at = UDP_ANNOUNCE_HEAD_BYTES; at < packet.length; at += peerBytes) {
    const port = view.getUint16(at + ipBytes);
    if (port === 0) continue;
    peers.push({ host: formatIp(packet.subarray(at, at + ipBytes)), port, peerId: null });
  }
  return peers;
}

function invalid(reason: string, head: Head | null = null): UdpInvalid {
  return {
    action: "invalid",
    reason,
    transactionId: head === null ? null : head.transactionId,
    connectionHigh: head === null ? 0 : head.connectionHigh,
    connectionLow: head === null ? 0 : head.connectionLow,
  };
}

/** Makes a packet of `bytes` that begins with these numbers of 32 bits. */
function newPacket(bytes: number, ...numbers: number[]): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(bytes);
  const view = viewOf(packet);
  numbers.forEach((number, i) => view.setUint32(4 * i, number));
  return packet;
}

function viewOf(packet: Uint8Array): DataView {
  return new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
}

function readUint64(view: DataView, at: number): number {
  return Math.min(view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4), Number.MAX_SAFE_INTEGER);
}

function writeUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value);
}

function checkHash(name: string, bytes: Uint8Array): void {
  if (bytes.length === HASH_BYTES) return;
  throw new RangeError(
    `Cannot ask tracker: ${name} is ${bytes.length} bytes, should be ${HASH_BYTES}`,
  );
}
