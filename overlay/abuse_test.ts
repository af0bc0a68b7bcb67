/**
 * What strangers may do to a node over its socket, and what it costs: `OVERLAY_ABUSE=full` takes the sizes of
 * the issue (a gigabyte without a line end, a thousand connections, a million info-hashes) and prints figures.
 */
import { assert, assertEquals } from "@std/assert";
import { makeGreeting } from "./greeting_deno.ts";
import { makeSigner } from "./keys_deno.ts";
import { encodeMessage } from "./messages.ts";
import { OverlayNode } from "./node_deno.ts";
import { OwnRecords } from "./own_records.ts";
import { CLUSTER_DEFAULT } from "./node_deno.ts";
import { sha256 } from "./keys_deno.ts";

const isFull = Deno.env.get("OVERLAY_ABUSE") === "full";
const MiB = 2 ** 20;
const local = { hostname: "127.0.0.1", listenOn: "127.0.0.1", port: 0 };
const infoHash = "a1".repeat(20);
const encoder = new TextEncoder();

/** Two honest nodes, of which the first is abused; afterwards they still find what the other announces. */
async function abused(
  abuse: (victim: OverlayNode, address: { port: number }) => Promise<string>,
): Promise<void> {
  const victim = OverlayNode.listen(local);
  const honest = OverlayNode.listen({ ...local, bootstrap: [victim.address] });
  try {
    const before = Deno.memoryUsage().rss;
    const beganMs = performance.now();
    const said = await abuse(victim, { port: Number(victim.address.split(":")[1]) });
    const tookMs = Math.round(performance.now() - beganMs);
    const grownMiB = Math.round((Deno.memoryUsage().rss - before) / MiB);
    if (isFull) console.log(`      ${said}; ${tookMs} ms, ${grownMiB} MiB more`);
    assert(grownMiB < 300, `memory grew by ${grownMiB} MiB`);
    honest.announce({ infoHash, peerId: "b2".repeat(20), address: "h:1", left: 0 });
    const [found] = await victim.lookup(infoHash, 1);
    assertEquals(found?.address, "h:1");
  } finally {
    await honest.close();
    await victim.close();
  }
}

/** Writes until all is written, or the other end has had enough. @returns bytes written */
async function pour(tcp: Deno.TcpConn, part: Uint8Array, bytes: number): Promise<number> {
  let written = 0;
  try {
    while (written < bytes) written += await tcp.write(part);
  } catch {
    // It closed the connection, as it should.
  }
  return written;
}

Deno.test("abuse: bytes without a line end are given up after one line's length", async () => {
  const bytes = isFull ? 2 ** 30 : 16 * MiB;
  await abused(async (_, address) => {
    using greeted = await Deno.connect(address);
    await greeted.write(greeting());
    using silent = await Deno.connect(address);
    const part = new Uint8Array(MiB).fill(0x61);
    const written = [await pour(greeted, part, bytes), await pour(silent, part, bytes)];
    assert(Math.max(...written) < 16 * MiB, `${written} bytes went through`);
    return `of ${bytes} bytes without a line end, ${written.join(" and ")} were written`;
  });
});

Deno.test("abuse: of many connections, as many are kept as one host may have", async () => {
  const count = isFull ? 1000 : 150;
  await abused(async (victim, address) => {
    const all = await Promise.all(Array.from({ length: count }, () => Deno.connect(address)));
    // Those beyond the limit are closed at once; a read sees that.
    const closed = all.slice(64).map((tcp) => tcp.read(new Uint8Array(1)).catch(() => null));
    await Promise.race(closed);
    const { incoming } = victim.status();
    for (const tcp of all) tcp.close();
    await Promise.all(closed);
    assert(incoming <= 64, `${incoming} connections were kept`);
    return `of ${count} connections ${incoming} were kept`;
  });
});

Deno.test("abuse: deep JSON, binary and other nonsense end their connection", async () => {
  await abused(async (_, address) => {
    const deep = "[".repeat(30_000) + "]".repeat(30_000);
    const lines = [deep, `{"type":${deep}}`, "\u0000", "GET / HTTP/1.1", "{"];
    for (const line of lines) {
      using tcp = await Deno.connect(address);
      await tcp.write(greeting());
      await tcp.write(encoder.encode(`${line}\n`));
      // Its greeting, and then the end.
      await new Response(tcp.readable).text().catch(() => "");
    }
    return `${lines.length} connections that sent nonsense were closed`;
  });
});

Deno.test("abuse: info-hashes without end from one key take bounded room and work", async () => {
  const count = isFull ? 1_000_000 : 5000;
  await abused(async (victim, address) => {
    const own = new OwnRecords(makeSigner(), sha256, () => new Uint8Array(16));
    using tcp = await Deno.connect(address);
    await tcp.write(greeting());
    const reading = new Response(tcp.readable).text().catch(() => "");
    let sent = 0;
    try {
      while (sent < count) {
        const records = Array.from({ length: 100 }, () => {
          const infoHash = (++sent).toString(16).padStart(40, "0");
          const announcement = { infoHash, peerId: infoHash, address: "x:1", left: 0 };
          return { record: own.announce(announcement, 0), ageMs: 0, beat: null };
        });
        const bytes = encoder.encode(encodeMessage({ type: "push", records }) + "\n");
        for (let at = 0; at < bytes.length;) at += await tcp.write(bytes.subarray(at));
      }
    } catch {
      // It has had enough.
    }
    await reading;
    const { records, verified, offences } = victim.status();
    assert(records <= 2000, `${records} records are kept`);
    return `of ${count} info-hashes of one key ${sent} were sent before the connection was closed, ` +
      `${verified} verified, ${records} kept, ${offences.flood} refused unread`;
  });
});

Deno.test("abuse: one forged record costs its sender the connection", async () => {
  await abused(async (victim, address) => {
    const own = new OwnRecords(makeSigner(), sha256, () => new Uint8Array(16));
    const record = own.announce({ infoHash, peerId: infoHash, address: "x:1", left: 0 }, 0);
    const forged = { record: { ...record, address: "y:1" }, ageMs: 0, beat: null };
    using tcp = await Deno.connect(address);
    await tcp.write(greeting());
    await tcp.write(encoder.encode(encodeMessage({ type: "push", records: [forged] }) + "\n"));
    await new Response(tcp.readable).text().catch(() => "");
    const { records, offences } = victim.status();
    assertEquals([records, offences.forged], [0, 1]);
    return "a forged record was dropped";
  });
});

function greeting(): Uint8Array {
  return encoder.encode(JSON.stringify(makeGreeting(CLUSTER_DEFAULT, "127.0.0.1:9")) + "\n");
}
