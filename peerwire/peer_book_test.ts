import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { BANNED_PEERS_MAX, formatAddress, KNOWN_PEERS_MAX, PeerBook } from "./peer_book.ts";

const ADDRESS = { host: "192.0.2.1", port: 6881 };
const KEY = "192.0.2.1:6881";
const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** A book that knows one peer. */
function bookOfOne(): PeerBook {
  const book = new PeerBook();
  book.add(ADDRESS);
  return book;
}

Deno.test("formatAddress() puts IPv6 addresses in brackets", () => {
  assertEquals(formatAddress(ADDRESS), KEY);
  assertEquals(formatAddress({ host: "peer.example", port: 1 }), "peer.example:1");
  assertEquals(formatAddress({ host: "2001:db8::1", port: 80 }), "[2001:db8::1]:80");
});

Deno.test("PeerBook gives each peer once, in the order in which they became known", () => {
  const book = new PeerBook();
  const addresses = [1, 2, 3].map((port) => ({ host: "192.0.2.1", port }));
  assertEquals(addresses.map((address) => book.add(address)), [true, true, true]);
  assertEquals(book.add(addresses[1]!), false);
  assertEquals([0, 0, 0].map(() => book.takeNext(0)?.port), [1, 2, 3]);
  assertEquals([book.takeNext(0), book.diallingCount, book.size], [null, 3, 3]);
});

Deno.test("PeerBook waits longer after each failed dial, from 10 seconds up to half an hour", () => {
  const book = bookOfOne();
  let nowMs = 0;
  const pauses: number[] = [];
  for (let i = 0; i < 10; i++) {
    assert(book.takeNext(nowMs) !== null);
    book.handleDialFailed(KEY, nowMs);
    const nextMs = book.nextDialAtMs();
    assertEquals(book.takeNext(nextMs - 1), null);
    pauses.push((nextMs - nowMs) / SECOND);
    nowMs = nextMs;
  }
  assertEquals(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]);
});

Deno.test("PeerBook forgets the failures of a peer that did some good", () => {
  const book = bookOfOne();
  for (let i = 0; i < 5; i++) {
    book.takeNext(Infinity);
    book.handleDialFailed(KEY, 0);
  }
  book.takeNext(Infinity);
  book.handleConnected(KEY);
  assertEquals([book.diallingCount, book.takeNext(Infinity)], [0, null]);
  book.handleClosed(KEY, true, false, 5000);
  assertEquals(book.nextDialAtMs(), 5000 + 10 * SECOND);
});

Deno.test("PeerBook holds it against a peer when a connection did no good", () => {
  const book = bookOfOne();
  for (const [i, pause] of [10, 20, 40].entries()) {
    book.takeNext(Infinity);
    book.handleConnected(KEY);
    book.handleClosed(KEY, false, false, i);
    assertEquals(book.nextDialAtMs(), i + pause * SECOND);
  }
});

Deno.test("PeerBook leaves a peer that has nothing for us alone for ten minutes", () => {
  const book = bookOfOne();
  book.takeNext(0);
  book.handleConnected(KEY);
  book.handleClosed(KEY, false, true, 0);
  assertEquals(book.nextDialAtMs(), 10 * MINUTE);
});

Deno.test("PeerBook never gives a banned peer again", () => {
  const book = bookOfOne();
  book.takeNext(0);
  book.ban(KEY);
  assertEquals(book.diallingCount, 0);
  book.handleDialFailed(KEY, 0);
  book.handleClosed(KEY, true, false, 0);
  book.handleConnected(KEY);
  assertEquals([book.add(ADDRESS), book.takeNext(Infinity), book.nextDialAtMs()], [
    false,
    null,
    Infinity,
  ]);
});

Deno.test("PeerBook.reconsider() has those dialled again that were of no use, and nobody else", () => {
  const book = new PeerBook();
  for (const port of [1, 2]) book.add({ host: "a.example", port });
  for (const port of [1, 2]) {
    book.takeNext(0);
    book.handleConnected(`a.example:${port}`);
  }
  book.handleClosed("a.example:1", true, true, 0);
  book.handleClosed("a.example:2", true, false, 0);
  assertEquals(book.takeNext(1), null);
  book.reconsider();
  assertEquals([book.takeNext(1)?.port, book.takeNext(1)], [1, null]);
});

Deno.test("PeerBook ignores what happens to peers that it does not know", () => {
  const book = new PeerBook();
  book.handleConnected(KEY);
  book.handleDialFailed(KEY, 0);
  book.handleClosed(KEY, true, false, 0);
  book.ban(KEY);
  assertEquals([book.size, book.diallingCount, book.takeNext(Infinity)], [0, 0, null]);
});

/** A book that knows as many peers as it may. */
function fullBook(): PeerBook {
  const book = new PeerBook();
  for (let i = 0; i < KNOWN_PEERS_MAX; i++) assert(book.add({ host: `peer${i}.example`, port: 1 }));
  return book;
}

Deno.test("PeerBook remembers no more peers than its limit", () => {
  const book = fullBook();
  assertEquals([book.add(ADDRESS), book.size], [false, KNOWN_PEERS_MAX]);
});

Deno.test("PeerBook forgets who failed most often for somebody new, when it is full", () => {
  const book = fullBook();
  const dialled = [1, 2, 3].map(() => book.takeNext(0)!);
  assertEquals(dialled.map(({ host }) => host), [
    "peer0.example",
    "peer1.example",
    "peer2.example",
  ]);
  const keys = dialled.map(formatAddress);
  book.handleConnected(keys[2]!);
  book.handleDialFailed(keys[0]!, 0);
  book.handleDialFailed(keys[1]!, 0), book.takeNext(MINUTE), book.handleDialFailed(keys[1]!, 0);
  assertEquals([book.add(ADDRESS), book.size], [true, KNOWN_PEERS_MAX]);
  assertEquals(book.add(dialled[1]!), true, "it was forgotten, and so was then the other");
  assertEquals(book.add(dialled[0]!), false, "nobody is left that failed");
  assertEquals(book.add(dialled[2]!), false, "it is connected, and known");
});

Deno.test("PeerBook full of dead peers comes to know new ones, every time", () => {
  const book = fullBook();
  let nowMs = 0;
  for (let i = 0; i < 3 * KNOWN_PEERS_MAX; i++, nowMs += SECOND) {
    const next = book.takeNext(nowMs);
    if (next !== null) book.handleDialFailed(formatAddress(next), nowMs);
    assert(book.add({ host: `new${i}.example`, port: 1 }), `${i}`);
  }
  assertEquals([book.size, book.diallingCount], [KNOWN_PEERS_MAX, 0]);
});

Deno.test("PeerBook dials hosts first that it has the fewest connections to", () => {
  const book = new PeerBook();
  for (let port = 1; port <= 1000; port++) book.add({ host: "192.0.2.1", port });
  for (let i = 2; i <= 4; i++) book.add({ host: `192.0.2.${i}`, port: 1 });
  const take = () => formatAddress(book.takeNext(0)!);
  const dialled = [take(), take(), take(), take(), take()];
  assertEquals(dialled, [
    "192.0.2.1:1",
    "192.0.2.2:1",
    "192.0.2.3:1",
    "192.0.2.4:1",
    "192.0.2.1:2",
  ]);
  book.add({ host: "192.0.2.4", port: 2 });
  assertEquals(take(), "192.0.2.4:2", "one connection there, two to the other");
  for (const key of ["192.0.2.1:1", "192.0.2.1:2"]) book.handleConnected(key);
  book.add({ host: "192.0.2.2", port: 2 });
  for (const key of ["192.0.2.1:1", "192.0.2.1:2"]) book.handleClosed(key, true, false, 0);
  assertEquals(take(), "192.0.2.1:3", "none there any more");
});

Deno.test("PeerBook dials those first that failed least often", () => {
  const book = new PeerBook();
  for (let i = 1; i <= 3; i++) book.add({ host: `192.0.2.${i}`, port: 1 });
  for (let i = 1; i <= 2; i++) book.takeNext(0);
  for (let i = 1; i <= 2; i++) book.handleDialFailed(`192.0.2.${i}:1`, 0);
  const dialled = [1, 2, 3].map(() => book.takeNext(MINUTE)!.host);
  assertEquals(dialled, ["192.0.2.3", "192.0.2.1", "192.0.2.2"]);
});

Deno.test("PeerBook.isWaiting() says whether a dial is due", () => {
  const book = bookOfOne();
  assertEquals(book.isWaiting(0), true);
  book.takeNext(0);
  assertEquals(book.isWaiting(0), false);
  book.handleDialFailed(KEY, 0);
  assertEquals([book.isWaiting(10 * SECOND - 1), book.isWaiting(10 * SECOND)], [false, true]);
});

Deno.test("PeerBook remembers so many bans, and forgets the oldest", () => {
  const book = new PeerBook();
  for (let i = 0; i <= BANNED_PEERS_MAX; i++) book.ban(`peer${i}.example:1`);
  assertEquals([book.isBanned("peer0.example:1"), book.isBanned("peer1.example:1")], [false, true]);
  assertEquals(book.add({ host: "peer1.example", port: 1 }), false);
  assertEquals(book.add({ host: "peer0.example", port: 1 }), true);
});

Deno.test("PeerBook counts the dials that are under way, through any sequence", () => {
  const step = fc.record({
    kind: fc.constantFrom("take", "take", "connected", "failed", "closed", "ban" as const),
    port: fc.integer({ min: 1, max: 4 }),
    laterMs: fc.constantFrom(0, 1, 5000, 20_000, 3_600_000),
  });
  const steps = fc.array(step, { maxLength: 60, size: "max" });
  fc.assert(fc.property(steps, (steps) => {
    const book = new PeerBook();
    for (let port = 1; port <= 4; port++) book.add({ host: "h", port });
    const dialling = new Set<number>();
    const connected = new Set<number>();
    const banned = new Set<number>();
    let nowMs = 0;
    for (const { kind, port, laterMs } of steps) {
      nowMs += laterMs;
      const key = `h:${port}`;
      if (kind === "take") {
        const taken = book.takeNext(nowMs);
        if (taken === null) continue;
        assert(!dialling.has(taken.port) && !connected.has(taken.port) && !banned.has(taken.port));
        dialling.add(taken.port);
      } else if (kind === "ban") {
        book.ban(key);
        banned.add(port);
        dialling.delete(port);
        connected.delete(port);
      } else if (kind === "closed") {
        if (!connected.delete(port)) continue;
        book.handleClosed(key, false, false, nowMs);
        assertEquals(book.nextDialAtMs() <= nowMs + 30 * MINUTE, true);
      } else {
        if (!dialling.delete(port)) continue;
        if (kind === "failed") book.handleDialFailed(key, nowMs);
        else {
          book.handleConnected(key);
          connected.add(port);
        }
      }
      assertEquals(book.diallingCount, dialling.size);
    }
  }));
});
