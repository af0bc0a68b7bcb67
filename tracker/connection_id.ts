/** How long a window is in which connection ids are the same; one is good in the next window, too. */
export const CONNECTION_WINDOW_MS = 120_000;

/** How long the key of {@link ConnectionIds} is. */
export const CONNECTION_KEY_BYTES = 16;

/**
 * The connection ids of a UDP tracker: a keyed hash of the address and of the time. Who sends one has
 * received it at its address within the last two windows. Nothing is kept per connection.
 *
 * **Source**: BEP 15 (a client may use an id for one minute, a tracker should take it for two); the hash
 * is SipHash-2-4.
 */
export class ConnectionIds {
  readonly #key: Int32Array;
  /** The high half of the id that was made last. */
  high: number = 0;
  /** The low half of the id that was made last. */
  low: number = 0;

  /** Takes a secret of {@link CONNECTION_KEY_BYTES} random bytes. */
  constructor(key: Uint8Array) {
    if (key.length !== CONNECTION_KEY_BYTES) {
      throw new RangeError(
        `Cannot make connection ids: key is ${key.length} bytes, should be ${CONNECTION_KEY_BYTES}`,
      );
    }
    const view = new DataView(key.buffer, key.byteOffset);
    this.#key = Int32Array.from([0, 4, 8, 12], (at) => view.getInt32(at, true));
  }

  /** Makes the id for an address of 4 or 16 bytes: {@link high} and {@link low}. */
  make(address: Uint8Array, nowMs: number): void {
    this.#hash(address, Math.floor(nowMs / CONNECTION_WINDOW_MS));
  }

  /** Tells whether an id is one that the address got in this window or the one before, in constant time. */
  isValid(address: Uint8Array, high: number, low: number, nowMs: number): boolean {
    const window = Math.floor(nowMs / CONNECTION_WINDOW_MS);
    this.#hash(address, window);
    const differs = (this.high ^ high) | (this.low ^ low);
    this.#hash(address, window - 1);
    const differedBefore = (this.high ^ high) | (this.low ^ low);
    // No branch depends on how much of an id is right.
    return (isZero(differs) | isZero(differedBefore)) !== 0;
  }

  /** SipHash-2-4 of the window, 8 bytes, and the address, 4 or 16; words of 64 bits in two halves. */
  #hash(address: Uint8Array, window: number): void {
    const key = this.#key;
    const state = STATE;
    state[0] = key[0]! ^ 0x70736575;
    state[1] = key[1]! ^ 0x736f6d65;
    state[2] = key[2]! ^ 0x6e646f6d;
    state[3] = key[3]! ^ 0x646f7261;
    state[4] = key[0]! ^ 0x6e657261;
    state[5] = key[1]! ^ 0x6c796765;
    state[6] = key[2]! ^ 0x79746573;
    state[7] = key[3]! ^ 0x74656462;
    compress(state, window | 0, Math.floor(window / 2 ** 32));
    let at = 0;
    for (; at + 8 <= address.length; at += 8) {
      compress(state, wordAt(address, at), wordAt(address, at + 4));
    }
    const rest = at < address.length ? wordAt(address, at) : 0;
    compress(state, rest, (8 + address.length) << 24);
    state[4] = state[4]! ^ 0xff;
    for (let i = 0; i < 4; i++) sipRound(state);
    this.low = (state[0]! ^ state[2]! ^ state[4]! ^ state[6]!) >>> 0;
    this.high = (state[1]! ^ state[3]! ^ state[5]! ^ state[7]!) >>> 0;
  }
}

/** v0 to v3, each as low half and high half. */
const STATE: Int32Array = new Int32Array(8);

function compress(state: Int32Array, low: number, high: number): void {
  state[6] = state[6]! ^ low;
  state[7] = state[7]! ^ high;
  sipRound(state);
  sipRound(state);
  state[0] = state[0]! ^ low;
  state[1] = state[1]! ^ high;
}

function sipRound(state: Int32Array): void {
  add(state, 0, 2);
  rotate(state, 2, 13);
  xor(state, 2, 0);
  swapHalves(state, 0);
  add(state, 4, 6);
  rotate(state, 6, 16);
  xor(state, 6, 4);
  add(state, 0, 6);
  rotate(state, 6, 21);
  xor(state, 6, 0);
  add(state, 4, 2);
  rotate(state, 2, 17);
  xor(state, 2, 4);
  swapHalves(state, 4);
}

function add(state: Int32Array, to: number, from: number): void {
  const low = (state[to]! >>> 0) + (state[from]! >>> 0);
  state[to] = low;
  state[to + 1] = state[to + 1]! + state[from + 1]! + (low > 0xffffffff ? 1 : 0);
}

function rotate(state: Int32Array, at: number, bits: number): void {
  const low = state[at]!;
  const high = state[at + 1]!;
  state[at] = low << bits | high >>> 32 - bits;
  state[at + 1] = high << bits | low >>> 32 - bits;
}

function xor(state: Int32Array, to: number, from: number): void {
  state[to] = state[to]! ^ state[from]!;
  state[to + 1] = state[to + 1]! ^ state[from + 1]!;
}

/** Rotates by 32. */
function swapHalves(state: Int32Array, at: number): void {
  const low = state[at]!;
  state[at] = state[at + 1]!;
  state[at + 1] = low;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
}

/** 1 for 0, else 0, without a branch. */
function isZero(value: number): number {
  return (value | -value) >>> 31 ^ 1;
}
