import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { OverlayNode } from "@enjambre/overlay";
import { describeNode } from "./overlay_deno.ts";
import { askNodes, StatusDoor } from "./overlay_status_deno.ts";
import { overlayFolder, overlayFolders } from "./state_folder_deno.ts";

const local = { hostname: "127.0.0.1", listenOn: "127.0.0.1", port: 0 };

/** A node whose state is in a folder. */
async function withNode(test: (node: OverlayNode, state: string) => Promise<void>): Promise<void> {
  const state = await Deno.makeTempDir({ prefix: "enjambre-test-" });
  const node = OverlayNode.listen(local);
  try {
    await test(node, state);
  } finally {
    await node.close();
    await Deno.remove(state, { recursive: true });
  }
}

Deno.test("askNodes() asks each node that runs, and nothing is left of one that ended", () =>
  withNode(async (node, state) => {
    const folder = overlayFolder(state, node.address);
    const door = await StatusDoor.open(node, folder);
    const other = OverlayNode.listen({ ...local, bootstrap: [node.address] });
    other.announce({
      infoHash: "aa".repeat(20),
      peerId: "bb".repeat(20),
      address: "h:1",
      left: 0,
    });
    assertEquals((await other.lookup("aa".repeat(20), 1)).length, 1);
    const second = await StatusDoor.open(other, overlayFolder(state, other.address));
    const reports = await askNodes(overlayFolders(state));
    const addresses = reports.map(({ address }) => address).sort();
    assertEquals(addresses, [node.address, other.address].sort());
    const report = reports.find(({ address }) => address === other.address)!;
    assertEquals(report.records, 1);
    assertEquals(report.memberList.map(({ address }) => address), [node.address]);
    const text = describeNode(report);
    assertStringIncludes(text, `Overlay node ${other.address}\n`);
    assertMatch(
      text,
      /^ {2}Members {2}\d alive, \d suspect, \d only heard of\n {11}127\.0\.0\.1:\d+/m,
    );
    assertMatch(
      text,
      /^ {2}Records {2}1 \(1 owner alive\), as on all nodes\n {2}Rounds {3}\d+\n {2}Lag {6}/m,
    );
    await second?.close();
    await second?.close();
    await other.close();
    await door?.close();
    assertEquals(await askNodes(overlayFolders(state)), []);
    assertEquals([...Deno.readDirSync(overlayFolders(state))], []);
  }));

Deno.test("StatusDoor is for its user alone: the file has mode 600, and another word gets no answer", () =>
  withNode(async (node, state) => {
    const folder = overlayFolder(state, node.address);
    const door = await StatusDoor.open(node, folder);
    const path = `${folder}/status.json`;
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
      assertEquals((await Deno.stat(folder)).mode! & 0o777, 0o700);
    }
    const { port, word } = JSON.parse(await Deno.readTextFile(path));
    const wrong = word.replace(/./, (first: string) => first === "0" ? "1" : "0");
    using tcp = await Deno.connect({ hostname: "127.0.0.1", port });
    await tcp.write(new TextEncoder().encode(wrong));
    assertEquals(await tcp.read(new Uint8Array(10)), null);
    await door?.close();
  }));

Deno.test("askNodes() finds nothing of a node that was killed, and forgets it", () =>
  withNode(async (node, state) => {
    const folder = overlayFolder(state, node.address);
    await Deno.mkdir(folder, { recursive: true });
    const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = free.addr;
    free.close();
    await Deno.writeTextFile(`${folder}/status.json`, JSON.stringify({ port, word: "x" }));
    await Deno.writeTextFile(`${folder}/overlay_key.pem`, "kept");
    assertEquals(await askNodes(overlayFolders(state)), []);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["overlay_key.pem"]);
    assertEquals(await askNodes(`${state}/nowhere`), []);
  }));
