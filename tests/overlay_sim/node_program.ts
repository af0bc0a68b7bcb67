/**
 * One overlay node as a process of its own: `[BOOTSTRAP] [INFO_HASH]`. It says as JSON lines where it listens and
 * what becomes of providers, announces the info-hash if there is one, and ends with its standard input.
 */
import { OverlayNode } from "@enjambre/overlay";

const [bootstrap = "", infoHash = ""] = Deno.args;
const node = OverlayNode.listen({
  hostname: "127.0.0.1",
  listenOn: "127.0.0.1",
  port: 0,
  bootstrap: bootstrap === "" ? [] : bootstrap.split(","),
});
const say = (event: Record<string, unknown>) => console.log(JSON.stringify(event));
say({ event: "listening", address: node.address });
node.subscribe(null, ({ kind, provider }) => say({ event: kind, ...provider }));
if (infoHash !== "") {
  node.announce({ infoHash, address: node.address, peerId: infoHash, left: 0 });
}
await Deno.stdin.readable.pipeTo(new WritableStream());
await node.close();
