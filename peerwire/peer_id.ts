/** The length of a peer id. */
export const PEER_ID_BYTES = 20;

/** How the peer ids of this program begin: code `EJ`, version 0.1.0.0. Source: BEP 20. */
export const PEER_ID_PREFIX = "-EJ0100-";

const RANDOM_BYTES = PEER_ID_BYTES - PEER_ID_PREFIX.length;

/** Who uses which two letters in `-XX1234-`, for the programs met most. Source: BEP 20, and what programs send. */
const CLIENTS: ReadonlyMap<string, string> = new Map([
  ["7T", "aTorrent"],
  ["AG", "Ares"],
  ["AZ", "Vuze"],
  ["BC", "BitComet"],
  ["BI", "BiglyBT"],
  ["BL", "BitLord"],
  ["BN", "Baidu Netdisk"],
  ["BT", "BitTorrent"],
  ["BW", "BitTorrent Web"],
  ["CD", "Enhanced CTorrent"],
  ["CT", "CTorrent"],
  ["DE", "Deluge"],
  ["EJ", "enjambre"],
  ["FC", "FileCroc"],
  ["FD", "Free Download Manager"],
  ["FW", "FrostWire"],
  ["GT", "go.torrent"],
  ["KT", "KTorrent"],
  ["LT", "libtorrent"],
  ["lt", "rTorrent"],
  ["PI", "PicoTorrent"],
  ["QD", "QQDownload"],
  ["qB", "qBittorrent"],
  ["SD", "Xunlei"],
  ["TB", "Torch"],
  ["TL", "Tribler"],
  ["TR", "Transmission"],
  ["UE", "uTorrent Embedded"],
  ["UM", "uTorrent Mac"],
  ["UT", "uTorrent"],
  ["UW", "uTorrent Web"],
  ["WD", "WebTorrent Desktop"],
  ["WW", "WebTorrent"],
  ["XF", "Xfplay"],
  ["XL", "Xunlei"],
  ["rQ", "rqbit"],
]);

/**
 * Makes the peer id of a session: our prefix and 12 random bytes, which the caller draws.
 *
 * Errors: `RangeError` when it is not 12 bytes.
 *
 * @example
 * ```ts
 * import { makePeerId } from "@enjambre/peerwire";
 *
 * const peerId = makePeerId(crypto.getRandomValues(new Uint8Array(12)));
 * console.log(peerId.length); // 20
 * ```
 */
export function makePeerId(random12: Uint8Array): Uint8Array<ArrayBuffer> {
  if (random12.length !== RANDOM_BYTES) {
    throw new RangeError(
      `Cannot make peer id: random part is ${random12.length} bytes, must be ${RANDOM_BYTES} bytes`,
    );
  }
  const peerId = new Uint8Array(PEER_ID_BYTES);
  peerId.set(new TextEncoder().encode(PEER_ID_PREFIX));
  peerId.set(random12, PEER_ID_PREFIX.length);
  return peerId;
}

/**
 * Names the program behind a peer id, for people: `"Transmission 4.0.0"`, or `"unknown"`.
 *
 * Any bytes of any number are tolerated, and what comes out is printable ASCII whatever they are. The
 * version is given as its four characters stand, the last left out when it is zero; how a program
 * itself would print it differs from one to the next. A peer can call itself what it likes: good for
 * show, for nothing else.
 *
 * Source: BEP 20, the style with dashes; and the older `M4-4-0--` and `A2-1-37-0-`.
 */
export function clientName(peerId: Uint8Array): string {
  if (peerId[0] === 0x2d) return azureusName(peerId);
  return dashedName(peerId, "A2-", "aria2") ?? dashedName(peerId, "M", "BitTorrent") ?? "unknown";
}

/** `-XX1234…`: two characters for the program, four for the version, each 0-9 or A-Z for 10 to 35. */
function azureusName(peerId: Uint8Array): string {
  if (peerId.length < 7) return "unknown";
  const name = CLIENTS.get(String.fromCharCode(peerId[1]!, peerId[2]!));
  if (name === undefined) return "unknown";
  const version: number[] = [];
  for (let i = 3; i < 7; i++) {
    const digit = digitOf(peerId[i]!);
    if (digit === -1) break;
    version.push(digit);
  }
  if (version.length < 3) return name;
  if (version[3] === 0) version.pop();
  return `${name} ${version.join(".")}`;
}

/** `A2-1-37-0-…`, `M7-10-3-…`: a mark, then three numbers of one or two digits with dashes between and behind. */
function dashedName(peerId: Uint8Array, mark: string, name: string): string | null {
  const text = String.fromCharCode(...peerId.subarray(0, PEER_ID_BYTES));
  if (!text.startsWith(mark)) return null;
  const match = /^(\d{1,2})-(\d{1,2})-(\d{1,2})-/.exec(text.slice(mark.length));
  return match === null ? null : `${name} ${match[1]}.${match[2]}.${match[3]}`;
}

function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  if (byte >= 0x41 && byte <= 0x5a) return byte - 0x41 + 10;
  return -1;
}
