/**
 * The canonical peer priority (BEP 40) against the examples that others wrote down.
 */
import { assertEquals } from "@std/assert";
import { type PeerAddress, peerPriority } from "@enjambre/peerwire";
import { readCases, vectorTest } from "./testdata.ts";

/** Takes `host:port` or `[host]:port` apart. */
function addressOf(text: string): PeerAddress {
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(text)!;
  return { host: host!, port: Number(port) };
}

vectorTest("peerPriority() agrees with the vectors of BEP 40 and of others", () => {
  const cases = readCases("vectors/peer_priority.json");
  for (const { id, client, peer, priority } of cases) {
    const expected = parseInt(priority, 16);
    assertEquals(peerPriority(addressOf(client), addressOf(peer)), expected, id);
    assertEquals(peerPriority(addressOf(peer), addressOf(client)), expected, id);
  }
  assertEquals(cases.length, 6);
});
