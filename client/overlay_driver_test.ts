import { assertEquals } from "@std/assert";
import type { Announcement, OverlayStatus, Provider, ProviderChange } from "@enjambre/overlay";
import { formatAddress, type PeerAddress } from "@enjambre/peerwire";
import { OverlayDriver } from "./overlay_driver_deno.ts";

const infoHash = "07".repeat(20);
const [one, other] = ["a1".repeat(20), "b2".repeat(20)];

/** A node without others: what it is told, and what it would tell. */
class FakeNode {
  readonly address = "[::1]:6000";
  readonly said: unknown[] = [];
  readonly lookedUp = Promise.withResolvers<Provider[]>();
  tell: (change: ProviderChange) => void = () => {};
  alive = 3;

  announce({ address, left }: Announcement): void {
    this.said.push({ address, left });
  }

  leave(left: string): void {
    this.said.push({ leave: left });
  }

  lookup(): Promise<Provider[]> {
    return this.lookedUp.promise;
  }

  subscribe(_: string | null, listener: (change: ProviderChange) => void): () => void {
    this.tell = listener;
    return () => this.tell = () => {};
  }

  status(): OverlayStatus {
    return { owner: "us", members: { alive: this.alive, hinted: 1, suspect: 1 } } as OverlayStatus;
  }
}

function make() {
  const node = new FakeNode();
  const peers: string[] = [];
  const seeds: number[] = [];
  const facts = {
    infoHash: new Uint8Array(20).fill(7),
    peerId: new Uint8Array(20).fill(9),
    port: 6881,
    left: 500,
  };
  let wake = (): void => {};
  const driver = new OverlayDriver({
    node,
    facts: () => facts,
    handlePeers: (more: readonly PeerAddress[]) => {
      peers.push(...more.map(formatAddress));
      wake();
    },
    handleSeeds: (count: number) => seeds.push(count),
  });
  /** Resolves when a peer has come. */
  const peer = () => new Promise<void>((resolve) => wake = resolve);
  return { node, peers, seeds, facts, driver, peer };
}

function provider(owner: string | null, peerId: string, address: string, left: number): Provider {
  return { infoHash, owner, peerId, address, left, lastSeenMs: 0 };
}

Deno.test("OverlayDriver announces us, then what changed, and takes leave", () => {
  const { node, facts, driver } = make();
  driver.complete(0); // before it has begun
  driver.start(1000);
  driver.handleDeadline(driver.nextDeadlineMs - 1);
  facts.left = 400;
  driver.handleDeadline(driver.nextDeadlineMs);
  driver.handleDeadline(driver.nextDeadlineMs); // nothing has changed
  facts.left = 0;
  driver.complete(2000);
  driver.complete(3000);
  facts.left = 100; // a file was lost
  driver.handleDeadline(driver.nextDeadlineMs);
  driver.leave();
  driver.complete(5000);
  const address = "[::1]:6881";
  assertEquals(node.said, [
    { address, left: 500 },
    { address, left: 400 },
    { address, left: 0 },
    { address, left: 100 },
    { leave: infoHash },
  ]);
  assertEquals(driver.nextDeadlineMs, Infinity);
});

Deno.test("OverlayDriver takes peers as they become known, ourselves excepted", async () => {
  const { node, peers, driver, peer } = make();
  driver.start(0);
  node.tell({ kind: "added", provider: provider("x", one, "192.0.2.1:1", 0) });
  node.tell({ kind: "added", provider: provider("us", one, "192.0.2.9:9", 0) });
  node.tell({ kind: "changed", provider: provider(null, one, "[::2]:2", 0) });
  node.tell({ kind: "removed", provider: provider("x", one, "192.0.2.1:1", 0) });
  assertEquals(peers, ["192.0.2.1:1", "[::2]:2"]);
  const found = peer();
  node.lookedUp.resolve([
    provider("us", one, "192.0.2.9:9", 0),
    provider("x", one, "192.0.2.3:3", 1),
  ]);
  await found;
  assertEquals(peers.at(-1), "192.0.2.3:3");
  // A name is given as an address: under that a peer that dials us is known.
  const named = peer();
  node.tell({ kind: "added", provider: provider("y", one, "localhost:4", 0) });
  await named;
  assertEquals(["127.0.0.1:4", "[::1]:4"].includes(peers.at(-1)!), true, peers.at(-1)!);
});

Deno.test("OverlayDriver gives what a lookup finds too late to nobody", async () => {
  const { node, peers, driver } = make();
  driver.start(0);
  driver.leave();
  node.lookedUp.resolve([provider("x", one, "192.0.2.3:3", 1)]);
  await node.lookedUp.promise;
  await Promise.resolve();
  assertEquals(peers, []);
});

Deno.test("OverlayDriver counts the others: a client once, a tracker's peers each", () => {
  const { node, driver } = make();
  driver.start(0);
  const counts = () => {
    const { seeds, leechers, members } = driver.view();
    return [seeds, leechers, members];
  };
  node.tell({ kind: "added", provider: provider("us", one, "192.0.2.9:9", 0) });
  node.tell({ kind: "changed", provider: provider(null, one, "192.0.2.2:2", 0) });
  assertEquals(counts(), [0, 0, 3]);
  node.tell({ kind: "added", provider: provider("x", one, "192.0.2.1:1", 10) });
  assertEquals(counts(), [0, 1, 3]);
  // It came back as another peer, at another port, complete.
  node.tell({ kind: "changed", provider: provider("x", other, "192.0.2.1:2", 0) });
  assertEquals(counts(), [1, 0, 3]);
  node.tell({ kind: "added", provider: provider("tracker", one, "192.0.2.4:1", 0) });
  node.tell({ kind: "added", provider: provider("tracker", other, "192.0.2.5:1", 7) });
  node.tell({ kind: "changed", provider: provider("tracker", other, "192.0.2.5:1", 0) });
  assertEquals(counts(), [3, 0, 3]);
  node.tell({ kind: "removed", provider: provider("tracker", other, "192.0.2.5:1", 0) });
  node.tell({ kind: "removed", provider: provider("x", other, "192.0.2.1:2", 0) });
  assertEquals(counts(), [1, 0, 3]);
});

Deno.test("OverlayDriver says how many other seeds there are, once a node answers", () => {
  const { node, seeds, driver } = make();
  node.alive = 0;
  driver.start(1000);
  assertEquals([driver.nextDeadlineMs, seeds], [2000, []]);
  driver.handleDeadline(2000);
  node.alive = 1;
  driver.handleDeadline(3000);
  assertEquals(seeds, [0]);
  const added = (owner: string, peerId: string, left: number) =>
    node.tell({ kind: "added", provider: provider(owner, peerId, "192.0.2.1:1", left) });
  added("x", one, 10);
  // A tracker of ours tells of us, too.
  added("tracker", "09".repeat(20), 0);
  added("y", other, 0);
  node.tell({ kind: "removed", provider: provider("y", other, "192.0.2.1:1", 0) });
  assertEquals(seeds, [0, 1, 0]);
  driver.leave();
  assertEquals(driver.nextDeadlineMs, Infinity);
});
