import { assert, assertEquals } from "@std/assert";
import { OverlayNode, type OverlayNodeOptions } from "./node_deno.ts";
import type { ProviderChange } from "./record_map.ts";
import { loadSigner, makeSigner, makeVerify, OverlayKeyError } from "./keys_deno.ts";
import { encodeGossip, escapeHash } from "./compat.ts";
import { assertRejects } from "@std/assert";

const infoHash = "a1".repeat(20);
const peerId = "b2".repeat(20);
const local = { hostname: "127.0.0.1", listenOn: "127.0.0.1", port: 0 };

/** Resolves when `node` tells of such a change. */
function change(
  node: OverlayNode,
  isIt: (change: ProviderChange) => boolean,
): Promise<ProviderChange> {
  const { promise, resolve } = Promise.withResolvers<ProviderChange>();
  node.subscribe(null, (change) => isIt(change) && resolve(change));
  return promise;
}

function listen(options: Partial<OverlayNodeOptions> = {}): OverlayNode {
  return OverlayNode.listen({ ...local, ...options });
}

const announcement = { infoHash, peerId, address: "client1:6881", left: 0 };

Deno.test("OverlayNode: three nodes find each other's providers, also when the first is gone", async () => {
  const one = listen();
  const two = listen({ bootstrap: [one.address] });
  const three = listen({ bootstrap: [one.address] });
  const heard = change(three, ({ kind }) => kind === "added");
  // Two and three know each other through the first alone.
  while (two.members().length < 2 || three.members().length < 2) await turn();
  two.announce(announcement);
  assertEquals((await heard).provider.address, "client1:6881");
  await one.close();

  const four = listen({ bootstrap: [three.address] });
  assertEquals((await four.lookup(infoHash, 1))[0]?.owner, two.status().owner);

  const gone = change(three, ({ kind }) => kind === "removed");
  two.leave(infoHash);
  assertEquals((await gone).provider.infoHash, infoHash);
  assertEquals(await three.lookup(infoHash, 1), []);
  for (const node of [two, three, four]) await node.close();
});

Deno.test("OverlayNode: a secret admits those who have it, and nobody else", async () => {
  const one = listen({ secret: "open sesame" });
  one.announce(announcement);
  const friend = listen({ secret: "open sesame", bootstrap: [one.address] });
  const stranger = listen({ secret: "open barley", bootstrap: [one.address] });
  const passerby = listen({ bootstrap: [one.address] });
  const other = listen({ cluster: "other", secret: "open sesame", bootstrap: [one.address] });
  assertEquals((await friend.lookup(infoHash, 1)).length, 1);
  for (const node of [stranger, passerby, other]) {
    assertEquals((await node.lookup(infoHash, 1)).length, 0);
  }
  for (const node of [one, friend, stranger, passerby, other]) await node.close();
});

for (const [ours, theirs] of [["x", "y"], ["", "y"], ["x", ""]] as const) {
  const secrets = `we have ${ours === "" ? "no secret" : ours}, they ${theirs || "none"}`;
  Deno.test(`OverlayNode: whom it dials in vain for the secret is told of, where ${secrets}`, async () => {
    const one = listen({ secret: theirs });
    const { promise, resolve } = Promise.withResolvers<string>();
    const other = listen({ secret: ours, bootstrap: [one.address], onUnproven: resolve });
    assertEquals(await promise, one.address);
    await Promise.all([one.close(), other.close()]);
  });
}

Deno.test("OverlayNode: one that is given its own address among others does not take itself for a member", async () => {
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  const other = listen();
  const alias = `localhost:${port}`;
  const node = listen({ port, listenOn: "0.0.0.0", bootstrap: [alias, other.address] });
  while (node.members().length !== 1) await turn();
  assertEquals(node.members()[0]?.address, other.address);
  await Promise.all([node.close(), other.close()]);
});

Deno.test("OverlayNode: old nodes are understood in their mode, and their word stays here", async () => {
  const compat = listen({ compat: true });
  const modern = listen({ bootstrap: [compat.address] });
  const old = { ...announcement, owner: null, lastSeenMs: 0 };
  await tell(compat.address, encodeGossip(infoHash, [old], 0, 1_700_000_000_000));
  const [provider] = await compat.lookup(infoHash, 1);
  assertEquals([provider?.address, provider?.owner], ["client1:6881", null]);

  const lookup = JSON.stringify({ type: "lookup", info_hash: escapeHash(infoHash), limit: 5 });
  const [answer] = JSON.parse(await tell(compat.address, lookup));
  assertEquals([answer.addr, answer.left], ["client1:6881", 0]);
  assertEquals(await modern.lookup(infoHash, 1), []);
  // Without the mode nobody answers.
  assertEquals(await tell(modern.address, lookup), "");
  await modern.close();
  await compat.close();
});

Deno.test("OverlayNode: what a client provides is gone as soon as it closes", async () => {
  const one = listen();
  const two = listen({ bootstrap: [one.address] });
  const came = change(one, ({ kind }) => kind === "added");
  while (two.status().members.alive === 0) await turn();
  two.announce(announcement);
  await came;
  const gone = change(one, ({ kind }) => kind === "removed");
  await two.close();
  await gone;
  await one.close();
});

Deno.test("loadSigner() makes a key for this user alone, and finds it again", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const made = await loadSigner(`${folder}/state`);
    const path = `${folder}/state/overlay_key.pem`;
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    assertEquals((await loadSigner(`${folder}/state`)).owner, made.owner);
    await Deno.chmod(path, 0o644);
    await assertRejects(() => loadSigner(`${folder}/state`), OverlayKeyError, "should be 600");
    await Deno.chmod(path, 0o600);
    await Deno.writeTextFile(path, "nothing");
    await assertRejects(() => loadSigner(`${folder}/state`), OverlayKeyError, "no Ed25519 key");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("makeVerify() believes an owner's signature and no other", () => {
  const [one, other] = [makeSigner(), makeSigner()];
  const verify = makeVerify();
  const bytes = new Uint8Array([1, 2, 3]);
  const signature = one.sign(bytes);
  assert(verify(one.owner, signature, bytes));
  assert(!verify(other.owner, signature, bytes));
  assert(!verify(one.owner, signature, new Uint8Array([1, 2, 4])));
  assert(!verify("A".repeat(43), signature, bytes));
});

/** Says a line as an old node does. @returns the answer */
async function tell(address: string, line: string): Promise<string> {
  using tcp = await Deno.connect({ port: Number(address.split(":")[1]) });
  await tcp.write(new TextEncoder().encode(`${line}\n`));
  return await new Response(tcp.readable).text();
}

/** Lets the event loop turn once. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
