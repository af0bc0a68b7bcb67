import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { PeerProtocolError } from "./errors.ts";
import {
  MESSAGE_BLOCK_BYTES_MAX,
  MESSAGE_EXTENDED_BYTES_MAX,
  MESSAGE_UNKNOWN_BYTES_MAX,
  MessageDecoder,
  type MessageDecoderOptions,
  type MessageHandler,
  RECEIVE_BUFFER_BYTES,
} from "./message.ts";

/** Notes each call as its name and numbers, borrowed bytes as a copy in hexadecimal. */
function recorder(events: string[], also: (name: string) => void = () => {}): MessageHandler {
  return new Proxy({} as MessageHandler, {
    get: (_, name: string) => (...args: (number | Uint8Array)[]) => {
      const at = args.findIndex((arg) => arg instanceof Uint8Array);
      if (at !== -1) {
        const [buffer, start, end] = args.splice(at, 3) as [Uint8Array, number, number];
        assertEquals(args.length, at, "the range is the last of the arguments");
        events.push([name.slice(6), ...args, hexOf(buffer.slice(start, end))].join(" "));
      } else events.push([name.slice(6), ...args].join(" "));
      also(name);
    },
  });
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A message: its length, its id and its payload. */
function frame(id: number, ...payload: number[]): number[] {
  return [...uint32(1 + payload.length), id, ...payload];
}

function uint32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

/** A decoder for 20 pieces, whose events are noted. */
function decoderOf(
  options: Partial<MessageDecoderOptions> = {},
): { decoder: MessageDecoder; events: string[] } {
  const events: string[] = [];
  const decoder = new MessageDecoder({ handler: recorder(events), pieceCount: 20, ...options });
  return { decoder, events };
}

/** One message of every kind, with numbers that show a byte in the wrong place, and what each is. */
const everyKind: [number[], string][] = [
  [uint32(0), "KeepAlive"],
  [frame(0), "Choke"],
  [frame(1), "Unchoke"],
  [frame(2), "Interested"],
  [frame(3), "NotInterested"],
  [frame(4, 0x80, 1, 2, 3), `Have ${0x80010203}`],
  [frame(5, 0xaa, 0x55, 0xf0), "Bitfield aa55f0"],
  [frame(6, ...uint32(7), ...uint32(16384), ...uint32(16383)), "Request 7 16384 16383"],
  [frame(7, ...uint32(9), ...uint32(32768), 1, 2, 3, 4, 5), "Piece 9 32768 0102030405"],
  [frame(8, ...uint32(7), ...uint32(2 ** 32 - 1), ...uint32(1)), "Cancel 7 4294967295 1"],
  [frame(9, 0x1a, 0xe1), "Port 6881"],
  [frame(13, ...uint32(11)), "Suggest 11"],
  [frame(14), "HaveAll"],
  [frame(15), "HaveNone"],
  [frame(16, ...uint32(1), ...uint32(2), ...uint32(3)), "Reject 1 2 3"],
  [frame(17, ...uint32(12)), "AllowedFast 12"],
  [frame(20, 0, 0x64, 0x65), "Extended 0 6465"],
  [frame(20, 200), "Extended 200 "],
  [frame(21, 1, 2, 3), "Unknown 21 3"],
  [frame(255), "Unknown 255 0"],
  [frame(4, 0, 0, 0, 19), "Have 19"],
];
const everyKindBytes = Uint8Array.from(everyKind.flatMap(([bytes]) => bytes));
const everyKindEvents = everyKind.map(([, event]) => event);

Deno.test("MessageDecoder tells every kind of message", () => {
  for (const [bytes, event] of everyKind) {
    const { decoder, events } = decoderOf();
    decoder.feed(Uint8Array.from(bytes));
    assertEquals(events, [event]);
    assertEquals(decoder.bufferedBytes, 0);
  }
});

Deno.test("MessageDecoder tells all complete messages within one handleReceived()", () => {
  const { decoder, events } = decoderOf();
  decoder.receiveSpace().set(everyKindBytes);
  decoder.handleReceived(everyKindBytes.length - 1);
  assertEquals(events, everyKindEvents.slice(0, -1));
  assertEquals(decoder.bufferedBytes, 8);
});

Deno.test("MessageDecoder gives the same events at every split point, whatever its buffer", () => {
  for (const receiveBufferBytes of [16, 17, 24, 40, 1000]) {
    for (let split = 0; split <= everyKindBytes.length; split++) {
      const { decoder, events } = decoderOf({ receiveBufferBytes });
      decoder.feed(everyKindBytes.subarray(0, split));
      decoder.feed(everyKindBytes.subarray(split));
      assertEquals(events, everyKindEvents, `split at ${split}, buffer ${receiveBufferBytes}`);
    }
  }
});

Deno.test("MessageDecoder gives the same events byte by byte", () => {
  for (const receiveBufferBytes of [16, RECEIVE_BUFFER_BYTES]) {
    const { decoder, events } = decoderOf({ receiveBufferBytes });
    for (const byte of everyKindBytes) decoder.feed(Uint8Array.of(byte));
    assertEquals(events, everyKindEvents);
  }
});

Deno.test("MessageDecoder gives the same events however a long stream is cut", () => {
  const messages = fc.array(fc.nat(everyKind.length - 1), { maxLength: 60 });
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 });
  fc.assert(fc.property(messages, cuts, fc.integer({ min: 16, max: 64 }), (picks, sizes, room) => {
    const bytes = Uint8Array.from(picks.flatMap((pick) => everyKind[pick]![0]));
    const { decoder, events } = decoderOf({ receiveBufferBytes: room });
    for (let at = 0, i = 0; at < bytes.length; i++) {
      const size = sizes[i % sizes.length]!;
      decoder.feed(bytes.subarray(at, at + size));
      at += size;
    }
    assertEquals(events, picks.map((pick) => everyKind[pick]![1]));
    assertEquals(decoder.bufferedBytes, 0);
  }));
});

Deno.test("MessageDecoder passes blocks out of its one buffer, without a copy", () => {
  const buffers = new Set<ArrayBufferLike>();
  const handler = recorder([]);
  const decoder = new MessageDecoder({
    handler: new Proxy(handler, {
      get: (target, name, self) =>
        name === "handlePiece"
          ? (_piece: number, _begin: number, buffer: Uint8Array) => buffers.add(buffer.buffer)
          : Reflect.get(target, name, self),
    }),
    pieceCount: 20,
  });
  const block = Uint8Array.from(frame(7, ...new Array(8 + 16384).fill(7)));
  for (let i = 0; i < 50; i++) decoder.feed(block);
  assertEquals([...buffers], [decoder.receiveSpace().buffer]);
});

Deno.test("MessageDecoder keeps half of its buffer free for reading while a block is unfinished", () => {
  const { decoder, events } = decoderOf();
  const block = Uint8Array.from(frame(7, ...new Array(8 + 16384).fill(7)));
  const stream = new Uint8Array(block.length * 40);
  for (let i = 0; i < 40; i++) stream.set(block, i * block.length);
  let at = 0;
  while (at < stream.length) {
    const space = decoder.receiveSpace();
    assert(space.length >= RECEIVE_BUFFER_BYTES / 2, `only ${space.length} bytes`);
    const count = Math.min(30_011, stream.length - at);
    space.set(stream.subarray(at, at + count));
    decoder.handleReceived(count);
    at += count;
  }
  assertEquals(events.length, 40);
});

Deno.test("MessageDecoder.receiveSpace() is never empty", () => {
  const { decoder } = decoderOf({ receiveBufferBytes: 16 });
  const block = Uint8Array.from(frame(7, ...new Array(8 + 100).fill(7)));
  for (const byte of [...block, ...block, ...block.subarray(0, 50)]) {
    const space = decoder.receiveSpace();
    assert(space.length > 0);
    space[0] = byte;
    decoder.handleReceived(1);
  }
  assertEquals(decoder.bufferedBytes, 50);
});

Deno.test("MessageDecoder grows for a bitfield beyond its buffer, and shrinks again behind it", () => {
  const pieceCount = 300_000 * 8 - 3;
  const { decoder, events } = decoderOf({ pieceCount, receiveBufferBytes: 1024 });
  assertEquals(decoder.receiveSpace().buffer.byteLength, 1024);
  const bitfield = new Uint8Array(5 + 300_000).fill(0xf0);
  bitfield.set([...uint32(300_001), 5]);
  decoder.feed(Uint8Array.of(...frame(1)));
  decoder.feed(bitfield.subarray(0, 7));
  assertEquals(decoder.receiveSpace().buffer.byteLength, 4 + 300_001);
  decoder.feed(bitfield.subarray(7));
  decoder.feed(Uint8Array.from(frame(4, 0, 0, 0, 5)));
  assertEquals(events, ["Unchoke", `Bitfield ${"f0".repeat(300_000)}`, "Have 5"]);
  assertEquals(decoder.receiveSpace().buffer.byteLength, 1024);
});

Deno.test("MessageDecoder takes the longest of each kind and refuses one byte more before it comes", () => {
  const kinds: [id: number, min: number, max: number][] = [
    [0, 1, 1],
    [1, 1, 1],
    [2, 1, 1],
    [3, 1, 1],
    [4, 5, 5],
    [5, 4, 4],
    [6, 13, 13],
    [7, 10, 9 + MESSAGE_BLOCK_BYTES_MAX],
    [8, 13, 13],
    [9, 3, 3],
    [10, 1, 1 + MESSAGE_UNKNOWN_BYTES_MAX],
    [13, 5, 5],
    [14, 1, 1],
    [15, 1, 1],
    [16, 13, 13],
    [17, 5, 5],
    [18, 1, 1 + MESSAGE_UNKNOWN_BYTES_MAX],
    [20, 2, 2 + MESSAGE_EXTENDED_BYTES_MAX],
    [21, 1, 1 + MESSAGE_UNKNOWN_BYTES_MAX],
    [255, 1, 1 + MESSAGE_UNKNOWN_BYTES_MAX],
  ];
  for (const [id, min, max] of kinds) {
    for (const length of new Set([min, max])) {
      const { decoder, events } = decoderOf();
      const bytes = new Uint8Array(4 + length);
      bytes.set([...uint32(length), id]);
      decoder.feed(bytes);
      assertEquals(events.length, 1, `id ${id}, ${length} bytes`);
    }
    for (const length of [min - 1, max + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      if (length === 0) continue; // a keep-alive
      const { decoder, events } = decoderOf();
      const error = assertThrows(
        () => decoder.feed(Uint8Array.of(...uint32(length), id)),
        PeerProtocolError,
        `length is ${length} bytes`,
      ) as PeerProtocolError;
      assertEquals([error.code, events], ["length", []], `id ${id}, ${length} bytes`);
    }
  }
});

Deno.test("MessageDecoder refuses a length that no message may have at its four bytes", () => {
  for (const length of [131_082, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
    const { decoder } = decoderOf();
    assertThrows(
      () => decoder.feed(Uint8Array.from(uint32(length))),
      PeerProtocolError,
      `Cannot read message: length is ${length} bytes, limit is 131081 bytes`,
    );
  }
});

Deno.test("MessageDecoder lets a bitfield have the bytes of the torrent's pieces only", () => {
  for (const [pieceCount, bytes] of [[0, 0], [1, 1], [8, 1], [9, 2], [16, 2], [17, 3]] as const) {
    for (let present = 0; present <= 5; present++) {
      const { decoder, events } = decoderOf({ pieceCount });
      const message = Uint8Array.from(frame(5, ...new Array(present).fill(0)));
      if (present === bytes) {
        decoder.feed(message);
        assertEquals(events, [`Bitfield ${"00".repeat(bytes)}`]);
      } else {
        assertThrows(
          () => decoder.feed(message),
          PeerProtocolError,
          `Cannot read bitfield: length is ${1 + present} bytes, must be ${1 + bytes} bytes`,
        );
      }
    }
  }
});

Deno.test("MessageDecoder tells what came before a violation, and nothing behind it", () => {
  const { decoder, events } = decoderOf();
  const bytes = Uint8Array.from([...frame(1), ...frame(0, 33), ...frame(2)]);
  assertThrows(() => decoder.feed(bytes), PeerProtocolError, "Cannot read choke");
  assertEquals(events, ["Unchoke"]);
  assertEquals([decoder.isStopped, decoder.bufferedBytes], [true, 0]);
  decoder.feed(Uint8Array.from(frame(2)));
  assert(decoder.receiveSpace().length > 0);
  assertEquals(events, ["Unchoke"]);
});

Deno.test("MessageDecoder.stop() in a handler ends it at that message, wherever it is", () => {
  for (let stopAt = 1; stopAt <= everyKind.length; stopAt++) {
    const events: string[] = [];
    const handler = recorder(events, () => {
      if (events.length === stopAt) decoder.stop();
    });
    const decoder: MessageDecoder = new MessageDecoder({ handler, pieceCount: 20 });
    decoder.feed(everyKindBytes);
    decoder.feed(everyKindBytes);
    assertEquals(events, everyKindEvents.slice(0, stopAt));
    assertEquals(decoder.bufferedBytes, 0);
  }
});

Deno.test("MessageDecoder passes on what a handler throws, and is stopped then", () => {
  const events: string[] = [];
  const handler = recorder(events, () => {
    throw new Error("of the handler");
  });
  const decoder = new MessageDecoder({ handler, pieceCount: 20 });
  assertThrows(() => decoder.feed(everyKindBytes), Error, "of the handler");
  decoder.feed(everyKindBytes);
  assertEquals(events, ["KeepAlive"]);
  assert(decoder.isStopped);
});

Deno.test("MessageDecoder refuses a handler that receives while a message lies in the buffer", () => {
  for (const misuse of ["receiveSpace", "handleReceived", "feed"] as const) {
    const handler = recorder([], () => {
      if (misuse === "handleReceived") decoder.handleReceived(0);
      else if (misuse === "feed") decoder.feed(Uint8Array.of(1));
      else decoder.receiveSpace();
    });
    const decoder: MessageDecoder = new MessageDecoder({ handler, pieceCount: 20 });
    assertThrows(() => decoder.feed(everyKindBytes), TypeError, "being handled");
  }
});

Deno.test("MessageDecoder refuses what the driver cannot have received, and options that make no sense", () => {
  const { decoder } = decoderOf({ receiveBufferBytes: 20 });
  assertEquals(decoder.receiveSpace().length, 20);
  for (const bytes of [21, -1, NaN]) {
    assertThrows(() => decoder.handleReceived(bytes), RangeError, "space for 20 bytes");
  }
  for (const receiveBufferBytes of [0, 15, 20.5]) {
    assertThrows(() => decoderOf({ receiveBufferBytes }), RangeError, "receive buffer");
  }
  for (const pieceCount of [-1, 0.5, NaN, 2 ** 32]) {
    assertThrows(() => decoderOf({ pieceCount }), RangeError, "piece count");
  }
});

Deno.test("MessageDecoder answers any bytes with events or a PeerProtocolError, however they are cut", () => {
  const smallLengths = fc.array(fc.tuple(fc.nat(20), fc.nat(22), fc.uint8Array({ maxLength: 30 })))
    .map((parts) =>
      Uint8Array.from(parts.flatMap(([length, id, rest]) => [...uint32(length), id, ...rest]))
    );
  fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), smallLengths), (bytes) => {
    const results = [1, 3, 1000].map((size) => {
      const { decoder, events } = decoderOf({ receiveBufferBytes: 16 });
      try {
        for (let at = 0; at < bytes.length; at += size) decoder.feed(bytes.subarray(at, at + size));
      } catch (error) {
        assert(error instanceof PeerProtocolError);
        events.push(error.message);
      }
      return events;
    });
    // The limit of any message is known a byte before that of its id: the words may differ.
    const told = results.map((events) =>
      events.map((event) => event.startsWith("Cannot") ? "error" : event)
    );
    assertEquals(told[1], told[0]);
    assertEquals(told[2], told[0]);
  }));
});
