import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  MESSAGE_BLOCK_BYTES_MAX,
  MESSAGE_EXTENDED_BYTES_MAX,
  MessageDecoder,
  type MessageHandler,
} from "./message.ts";
import { MessageWriter, SEND_BUFFER_BYTES } from "./message_writer.ts";

/** What was written since the last take, copied and released. */
function takeAll(writer: MessageWriter): number[] {
  const taken = writer.take();
  if (taken === null) return [];
  const bytes = [...taken];
  writer.release();
  return bytes;
}

/** Notes each call as an array of its name and arguments, borrowed bytes as a copy. */
function recorder(events: unknown[][]): MessageHandler {
  return new Proxy({} as MessageHandler, {
    get: (_, name: string) => (...args: unknown[]) => {
      const at = args.findIndex((arg) => arg instanceof Uint8Array);
      if (at !== -1) {
        const [buffer, start, end] = args.splice(at, 3) as [Uint8Array, number, number];
        args.push([...buffer.subarray(start, end)]);
      }
      events.push([name, ...args]);
    },
  });
}

Deno.test("MessageWriter writes each message as BEP 3, 5, 6 and 10 have it", () => {
  const block = Uint8Array.of(0xaa, 1, 2, 3, 0xaa);
  const cases: [(writer: MessageWriter) => void, number[]][] = [
    [(w) => w.raw(Uint8Array.of(9, 8, 7)), [9, 8, 7]],
    [(w) => w.keepAlive(), [0, 0, 0, 0]],
    [(w) => w.choke(), [0, 0, 0, 1, 0]],
    [(w) => w.unchoke(), [0, 0, 0, 1, 1]],
    [(w) => w.interested(), [0, 0, 0, 1, 2]],
    [(w) => w.notInterested(), [0, 0, 0, 1, 3]],
    [(w) => w.have(0x01020304), [0, 0, 0, 5, 4, 1, 2, 3, 4]],
    [(w) => w.bitfield(Uint8Array.of(0xf0, 0x80)), [0, 0, 0, 3, 5, 0xf0, 0x80]],
    [(w) => w.request(1, 2, 3), [0, 0, 0, 13, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]],
    [
      (w) => w.piece(1, 0x4000, block, 1, 4),
      [0, 0, 0, 12, 7, 0, 0, 0, 1, 0, 0, 0x40, 0, 1, 2, 3],
    ],
    [(w) => w.cancel(1, 2, 3), [0, 0, 0, 13, 8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]],
    [(w) => w.port(6881), [0, 0, 0, 3, 9, 0x1a, 0xe1]],
    [(w) => w.suggest(0xfffffffe), [0, 0, 0, 5, 13, 255, 255, 255, 254]],
    [(w) => w.haveAll(), [0, 0, 0, 1, 14]],
    [(w) => w.haveNone(), [0, 0, 0, 1, 15]],
    [(w) => w.reject(1, 2, 3), [0, 0, 0, 13, 16, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]],
    [(w) => w.allowedFast(5), [0, 0, 0, 5, 17, 0, 0, 0, 5]],
    [(w) => w.extended(3, Uint8Array.of(0x64, 0x65)), [0, 0, 0, 4, 20, 3, 0x64, 0x65]],
  ];
  // Alone; with no room at the beginning; and all of them together.
  const together = new MessageWriter({ initialBytes: 1 });
  for (const [write, bytes] of cases) {
    for (const initialBytes of [1, SEND_BUFFER_BYTES]) {
      const writer = new MessageWriter({ initialBytes });
      write(writer);
      assertEquals(writer.pendingBytes, bytes.length);
      assertEquals(takeAll(writer), bytes);
    }
    write(together);
  }
  assertEquals(takeAll(together), cases.flatMap(([, bytes]) => bytes));
});

Deno.test("MessageWriter refuses numbers that their field cannot hold, and writes nothing then", () => {
  const writer = new MessageWriter();
  const block = new Uint8Array(MESSAGE_BLOCK_BYTES_MAX + 1);
  writer.have(1);
  for (const bad of [-1, 2 ** 32, 0.5, NaN]) {
    assertThrows(() => writer.have(bad), RangeError, `piece is ${bad}`);
    assertThrows(() => writer.request(bad, 0, 1), RangeError, "piece");
    assertThrows(() => writer.request(0, bad, 1), RangeError, "begin");
    assertThrows(() => writer.cancel(0, 0, bad), RangeError, "length");
    assertThrows(() => writer.reject(0, 0, bad), RangeError, "length");
    assertThrows(() => writer.piece(bad, 0, block, 0, 1), RangeError, "piece");
    assertThrows(() => writer.piece(0, bad, block, 0, 1), RangeError, "begin");
    assertThrows(() => writer.port(bad), RangeError, "port");
    assertThrows(() => writer.extended(bad, block.subarray(0, 1)), RangeError, "id");
  }
  assertThrows(() => writer.port(65536), RangeError);
  assertThrows(() => writer.extended(256, block.subarray(0, 1)), RangeError);
  const tooLong = new Uint8Array(MESSAGE_EXTENDED_BYTES_MAX + 1);
  assertThrows(() => writer.extended(1, tooLong), RangeError, "limit is 131072 bytes");
  const ranges = [[0, 0], [2, 1], [-1, 4], [block.length - 1, block.length + 1], [0, block.length]];
  for (const [start, end] of ranges) {
    assertThrows(() => writer.piece(0, 0, block, start!, end!), RangeError, "must hold 1 to");
  }
  assertEquals(takeAll(writer), [0, 0, 0, 5, 4, 0, 0, 0, 1]);
});

Deno.test("MessageWriter refuses an initial size that is no size", () => {
  for (const initialBytes of [0, -1, 1.5]) {
    assertThrows(() => new MessageWriter({ initialBytes }), RangeError, "at least 1 byte");
  }
});

Deno.test("MessageWriter.take() gives null when there is nothing, and then needs no release()", () => {
  const writer = new MessageWriter();
  assertEquals(writer.take(), null);
  assertThrows(() => writer.release(), TypeError, "none are taken");
  writer.choke();
  assert(writer.take() !== null);
  writer.release();
  assertEquals(writer.take(), null);
  assertThrows(() => writer.release(), TypeError);
});

Deno.test("MessageWriter.take() is refused while an earlier one is out, and what is pending stays", () => {
  const writer = new MessageWriter();
  writer.choke();
  writer.take();
  assertThrows(() => writer.take(), TypeError, "not released");
  writer.unchoke();
  assertThrows(() => writer.take(), TypeError, "not released");
  assertEquals([writer.isTaken, writer.pendingBytes], [true, 5]);
  writer.release();
  assertEquals(takeAll(writer), [0, 0, 0, 1, 1]);
});

Deno.test("MessageWriter leaves what is taken alone, however much is written meanwhile", () => {
  const writer = new MessageWriter({ initialBytes: 8 });
  const block = new Uint8Array(100).fill(0xbb);
  for (let round = 0; round < 20; round++) {
    writer.have(round);
    const taken = writer.take()!;
    for (let i = 0; i <= round; i++) writer.piece(round, i, block, 0, block.length);
    assertEquals([...taken], [0, 0, 0, 5, 4, 0, 0, 0, round]);
    writer.release();
    assertEquals(takeAll(writer).length, (round + 1) * 113);
  }
});

Deno.test("MessageWriter lets two buffers take turns instead of making new ones", () => {
  const writer = new MessageWriter();
  const buffers: ArrayBuffer[] = [];
  for (let i = 0; i < 6; i++) {
    writer.have(i);
    buffers.push(writer.take()!.buffer);
    writer.release();
  }
  assertEquals(new Set(buffers).size, 2);
  for (let i = 2; i < 6; i++) assertStrictEquals(buffers[i], buffers[i - 2]);
});

Deno.test("MessageWriter keeps grown buffers while they are needed and gives them back later", () => {
  const writer = new MessageWriter({ initialBytes: 64 });
  const block = new Uint8Array(16384);
  const sendBlocks = () => {
    writer.piece(0, 0, block, 0, block.length);
    writer.take();
    writer.release();
  };
  sendBlocks();
  sendBlocks();
  const grown = writer.capacityBytes;
  assertEquals(grown, 2 * 32768);
  for (let i = 0; i < 30; i++) {
    sendBlocks();
    writer.have(i);
    writer.take();
    writer.release();
  }
  assertEquals(writer.capacityBytes, grown);
  for (let i = 0; i < 10; i++) {
    writer.have(i);
    writer.take();
    writer.release();
  }
  assertEquals(writer.capacityBytes, 2 * 64);
});

Deno.test("MessageWriter gives a grown buffer back without losing what is pending in it", () => {
  const writer = new MessageWriter({ initialBytes: 64 });
  const payload = new Uint8Array(1000).fill(5);
  for (let i = 0; i < 12; i++) {
    writer.have(i);
    writer.take();
    if (i === 11) writer.extended(1, payload);
    writer.release();
  }
  assertEquals(takeAll(writer), [0, 0, 0x03, 0xea, 20, 1, ...payload]);
});

Deno.test("MessageDecoder reads back everything that MessageWriter writes", () => {
  const number = fc.oneof(fc.nat(100), fc.constantFrom(2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1));
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 60 });
  const triple = fc.tuple(number, number, number);
  const bare = (write: (w: MessageWriter) => void, name: string) => ({ write, event: [name] });
  const message = fc.oneof(
    fc.constantFrom(
      bare((w) => w.keepAlive(), "handleKeepAlive"),
      bare((w) => w.choke(), "handleChoke"),
      bare((w) => w.unchoke(), "handleUnchoke"),
      bare((w) => w.interested(), "handleInterested"),
      bare((w) => w.notInterested(), "handleNotInterested"),
      bare((w) => w.haveAll(), "handleHaveAll"),
      bare((w) => w.haveNone(), "handleHaveNone"),
    ),
    fc.tuple(number, fc.constantFrom("have", "suggest", "allowedFast")).map(([piece, name]) => ({
      write: (w: MessageWriter) => w[name as "have"](piece),
      event: [`handle${name[0]!.toUpperCase()}${name.slice(1)}`, piece],
    })),
    fc.tuple(triple, fc.constantFrom("request", "cancel", "reject")).map(([args, name]) => ({
      write: (w: MessageWriter) => w[name as "request"](...args),
      event: [`handle${name[0]!.toUpperCase()}${name.slice(1)}`, ...args],
    })),
    fc.tuple(number, number, bytes).map(([piece, begin, block]) => ({
      write: (w: MessageWriter) => w.piece(piece, begin, block, 0, block.length),
      event: ["handlePiece", piece, begin, [...block]],
    })),
    fc.uint8Array({ minLength: 3, maxLength: 3 }).map((bits) => ({
      write: (w: MessageWriter) => w.bitfield(bits),
      event: ["handleBitfield", [...bits]],
    })),
    fc.nat(65535).map((port) => ({
      write: (w: MessageWriter) => w.port(port),
      event: ["handlePort", port],
    })),
    fc.tuple(fc.nat(255), fc.uint8Array({ maxLength: 60 })).map(([id, payload]) => ({
      write: (w: MessageWriter) => w.extended(id, payload),
      event: ["handleExtended", id, [...payload]],
    })),
  );
  // Each message, and whether the driver comes by behind it, and whether it is done with the last.
  const steps = fc.array(fc.tuple(message, fc.boolean(), fc.boolean()), { maxLength: 40 });
  fc.assert(fc.property(steps, fc.integer({ min: 1, max: 100 }), (messages, initialBytes) => {
    const writer = new MessageWriter({ initialBytes });
    const events: unknown[][] = [];
    const decoder = new MessageDecoder({ handler: recorder(events), pieceCount: 20 });
    let taken: Uint8Array | null = null;
    const send = () => {
      if (taken !== null) {
        decoder.feed(taken);
        writer.release();
      }
      taken = null;
    };
    for (const [{ write }, take, done] of messages) {
      write(writer);
      if (done) send();
      if (take && taken === null) taken = writer.take();
    }
    send();
    taken = writer.take();
    send();
    assertEquals(events, messages.map(([{ event }]) => event as unknown[]));
  }));
});
