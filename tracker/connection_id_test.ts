import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseIp } from "./address.ts";
import { CONNECTION_WINDOW_MS, ConnectionIds } from "./connection_id.ts";

const key = Uint8Array.from({ length: 16 }, (_, i) => i);
const address = parseIp("192.0.2.7")!;

/** Of an independent SipHash-2-4, which gives what its authors published for 00 to 0e. */
const VECTORS: [address: string, nowMs: number, hex: string][] = [
  ["192.0.2.7", 0, "bc3709beaee59376"],
  ["255.255.255.255", 840000, "167b375a110795d0"],
  ["2001:db8::ff", 14814720000, "9c3554c5362a15f6"],
  ["0.0.0.0", 1e18, "006b920c3d247b9b"],
];

function idOf(ids: ConnectionIds, of: Uint8Array, nowMs: number): [number, number] {
  ids.make(of, nowMs);
  return [ids.high, ids.low];
}

Deno.test("ConnectionIds are SipHash-2-4 of the window and the address", () => {
  for (const [text, nowMs, hex] of VECTORS) {
    const [high, low] = idOf(new ConnectionIds(key), parseIp(text)!, nowMs);
    const digits = (half: number) => half.toString(16).padStart(8, "0");
    assertEquals(digits(high) + digits(low), hex, text);
  }
});

Deno.test("ConnectionIds holds an id good in its window and the next, from its address alone", () => {
  const ids = new ConnectionIds(key);
  const startMs = 50 * CONNECTION_WINDOW_MS;
  const [high, low] = idOf(ids, address, startMs);
  const isValid = (nowMs: number, of = address) => ids.isValid(of, high, low, nowMs);
  assert(isValid(startMs));
  assert(isValid(startMs + 2 * CONNECTION_WINDOW_MS - 1));
  assert(!isValid(startMs + 2 * CONNECTION_WINDOW_MS));
  assert(!isValid(startMs - 1));
  assert(!isValid(startMs, parseIp("192.0.2.8")!));
  assert(!isValid(startMs, parseIp("::192.0.2.7")!));
});

Deno.test("ConnectionIds refuses an id of which any bit is wrong, or of another key", () => {
  const ids = new ConnectionIds(key);
  const [high, low] = idOf(ids, address, 0);
  for (let bit = 0; bit < 32; bit++) {
    assert(!ids.isValid(address, (high ^ 1 << bit) >>> 0, low, 0));
    assert(!ids.isValid(address, high, (low ^ 1 << bit) >>> 0, 0));
  }
  assert(!new ConnectionIds(key.slice().reverse()).isValid(address, high, low, 0));
  assert(!ids.isValid(address, 0x417, 0x27101980, 0));
});

Deno.test("ConnectionIds refuses a key of another length", () => {
  assertThrows(() => new ConnectionIds(new Uint8Array(8)), RangeError, "should be 16");
});
