import { assert, assertEquals } from "@std/assert";
import { pseudoRandomBytes } from "./content.ts";
import { LongLine } from "./long_line.ts";

const DELAY_MS = 40;

Deno.test("LongLine brings every byte in order, each way, and no sooner than its delay", async () => {
  using echo = startEcho();
  await using line = new LongLine(echo.addr.port, DELAY_MS);
  using socket = await Deno.connect({ hostname: "127.0.0.1", port: line.port });
  const sent = pseudoRandomBytes(3_000_000, 1);
  const startMs = performance.now();
  const received = readAll(socket);
  for (let at = 0; at < sent.length;) at += await socket.write(sent.subarray(at));
  await socket.closeWrite();
  assertEquals(await received, sent);
  // A timer may go off a little before its time.
  assert(performance.now() - startMs >= 2 * DELAY_MS - 2);
});

Deno.test("LongLine hangs up on one side when the other one does", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using line = new LongLine(listener.addr.port, DELAY_MS);
  using near = await Deno.connect({ hostname: "127.0.0.1", port: line.port });
  const far = await listener.accept();
  far.close();
  assertEquals(await near.read(new Uint8Array(1)), null);
});

Deno.test("LongLine breaks its connections when it is disposed of", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const line = new LongLine(listener.addr.port, 3_600_000);
  using near = await Deno.connect({ hostname: "127.0.0.1", port: line.port });
  using _far = await listener.accept();
  await near.write(new Uint8Array([1]));
  await line[Symbol.asyncDispose]();
  const end = await near.read(new Uint8Array(1)).catch(() => null);
  assertEquals(end, null);
});

/** Sends back whatever comes, on one connection. */
function startEcho(): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.accept().then(async (socket) => {
    await socket.readable.pipeTo(socket.writable);
  });
  return listener;
}

async function readAll(socket: Deno.TcpConn): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    const buffer = new Uint8Array(65_536);
    const bytes = await socket.read(buffer);
    if (bytes === null) break;
    parts.push(buffer.subarray(0, bytes));
  }
  return await new Blob(parts).bytes();
}
