/**
 * The codec of `peerwire` against the facts that others wrote down: frames, bitfields, extension
 * handshakes, peer ids, and the rules of behaviour that are decided at the level of the codec.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Bitfield,
  clientName,
  decodeExtensionHandshake,
  decodeHandshake,
  decodeInfoHash,
  encodeHandshake,
  MESSAGE_ID,
  MessageDecoder,
  type MessageHandler,
  MessageWriter,
  PeerProtocolError,
} from "@enjambre/peerwire";
import { bytesOfHex, readCases, type VectorCase, vectorTest } from "./testdata.ts";

/** Writes every message that is told down again, and notes it under the names of the test data. */
class Rewriter implements MessageHandler {
  readonly writer: MessageWriter = new MessageWriter();
  readonly told: Record<string, unknown>[] = [];

  handleKeepAlive(): void {
    this.told.push({ type: "keep_alive" });
    this.writer.keepAlive();
  }
  handleChoke(): void {
    this.told.push({ type: "choke" });
    this.writer.choke();
  }
  handleUnchoke(): void {
    this.told.push({ type: "unchoke" });
    this.writer.unchoke();
  }
  handleInterested(): void {
    this.told.push({ type: "interested" });
    this.writer.interested();
  }
  handleNotInterested(): void {
    this.told.push({ type: "not_interested" });
    this.writer.notInterested();
  }
  handleHave(index: number): void {
    this.told.push({ type: "have", index });
    this.writer.have(index);
  }
  handleBitfield(buffer: Uint8Array, start: number, end: number): void {
    const bits = hexOf(buffer.subarray(start, end));
    this.told.push({ type: "bitfield", bits, bytes: end - start });
    this.writer.bitfield(buffer.subarray(start, end));
  }
  handleRequest(index: number, begin: number, length: number): void {
    this.told.push({ type: "request", index, begin, length });
    this.writer.request(index, begin, length);
  }
  handlePiece(index: number, begin: number, buffer: Uint8Array, start: number, end: number): void {
    this.told.push({ type: "piece", index, begin, block_length: end - start });
    this.writer.piece(index, begin, buffer, start, end);
  }
  handleCancel(index: number, begin: number, length: number): void {
    this.told.push({ type: "cancel", index, begin, length });
    this.writer.cancel(index, begin, length);
  }
  handlePort(port: number): void {
    this.told.push({ type: "port", port });
    this.writer.port(port);
  }
  handleSuggest(index: number): void {
    this.told.push({ type: "suggest", index });
    this.writer.suggest(index);
  }
  handleHaveAll(): void {
    this.told.push({ type: "have_all" });
    this.writer.haveAll();
  }
  handleHaveNone(): void {
    this.told.push({ type: "have_none" });
    this.writer.haveNone();
  }
  handleReject(index: number, begin: number, length: number): void {
    this.told.push({ type: "reject", index, begin, length });
    this.writer.reject(index, begin, length);
  }
  handleAllowedFast(index: number): void {
    this.told.push({ type: "allowed_fast", index });
    this.writer.allowedFast(index);
  }
  handleExtended(id: number, buffer: Uint8Array, start: number, end: number): void {
    const payload = buffer.slice(start, end);
    this.told.push({ type: "extended", id, payload });
    this.writer.extended(id, payload);
  }
  handleUnknown(id: number, bytes: number): void {
    this.told.push({ type: "unknown", id, bytes });
  }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A decoder for a torrent of as many pieces as the frame needs, should it be a bitfield. */
function decoderFor(frame: Uint8Array): { decoder: MessageDecoder; rewriter: Rewriter } {
  const rewriter = new Rewriter();
  const isBitfield = frame[4] === MESSAGE_ID.bitfield && frame.length > 5;
  const pieceCount = isBitfield ? (frame.length - 5) * 8 : 8;
  return { decoder: new MessageDecoder({ handler: rewriter, pieceCount }), rewriter };
}

function isHandshake(c: VectorCase): boolean {
  return c["frame_hex"].startsWith("13426974");
}

/** What the test data expect, under the keys that are compared elsewhere left out. */
function plainExpectation(c: VectorCase): Record<string, unknown> | null {
  if (c["expect"] === undefined) return null;
  const { type, index, begin, length, block_length, port, id, bits, bytes } = c["expect"];
  return JSON.parse(JSON.stringify({
    type: type === "keepalive" ? "keep_alive" : type,
    index,
    begin,
    length,
    block_length,
    port,
    id,
    bits,
    bytes,
  }));
}

const frames = readCases("vectors/peerwire_frames.json");
const messages = frames.filter((c) => !isHandshake(c));

vectorTest(
  "frames: what is well-formed is told as others tell it, at every split point, and written again",
  () => {
    const good = messages.filter((c) =>
      c["verdict"].startsWith("ok") || c["verdict"].startsWith("frame ok")
    );
    assert(good.length >= 18, `only ${good.length} cases`);
    for (const c of good) {
      const bytes = bytesOfHex(c["frame_hex"]);
      for (let split = 0; split <= bytes.length; split++) {
        const { decoder, rewriter } = decoderFor(bytes);
        decoder.feed(bytes.subarray(0, split));
        assertEquals(rewriter.told.length, split === bytes.length ? 1 : 0, c["id"]);
        decoder.feed(bytes.subarray(split));
        assertEquals(rewriter.told.length, 1, c["id"]);
        const told = rewriter.told[0]!;
        for (const [key, value] of Object.entries(plainExpectation(c) ?? {})) {
          assertEquals(told[key], value, `${c["id"]}: ${key}`);
        }
        assertEquals(hexOf(rewriter.writer.take()!), c["frame_hex"], c["id"]);
      }
    }
  },
);

vectorTest("frames: what is malformed is refused", () => {
  // A piece message without data is refused, as aria2 does: nobody can have asked for it.
  const bad = messages.filter((c) => /^error($| \()/.test(c["verdict"]));
  assert(bad.length >= 8, `only ${bad.length} cases`);
  for (const c of bad) {
    const bytes = bytesOfHex(c["frame_hex"]);
    const { decoder, rewriter } = decoderFor(bytes);
    const error = assertThrows(() => decoder.feed(bytes), PeerProtocolError) as PeerProtocolError;
    assertEquals([error.code, rewriter.told.length], ["length", 0], c["id"]);
  }
});

vectorTest("frames: what is cut is waited for, unless its length is wrong already", () => {
  const cut = messages.filter((c) =>
    c["verdict"].startsWith("incomplete") || c["verdict"].startsWith("error when")
  );
  assertEquals(cut.length, 4);
  for (const c of cut) {
    const bytes = bytesOfHex(c["frame_hex"]);
    const { decoder, rewriter } = decoderFor(bytes);
    if (c["id"] === "an-eof-2") {
      // A request of 6 bytes. Decided: refused at its id, as no further byte can make it right.
      assertThrows(() => decoder.feed(bytes), PeerProtocolError, "must be 13 bytes");
    } else {
      decoder.feed(bytes);
      assertEquals(decoder.bufferedBytes, bytes.length, c["id"]);
    }
    assertEquals(rewriter.told, [], c["id"]);
  }
});

vectorTest("frames: every message case has been looked at by one of the tests above", () => {
  for (const c of messages) assertMatch(c["verdict"], /^(ok|frame ok|error|incomplete)/, c["id"]);
});

vectorTest(
  "frames: handshakes give the stated ids and bits, and are written again byte by byte",
  () => {
    const handshakes = frames.filter(isHandshake);
    assert(handshakes.length >= 5);
    for (const c of handshakes) {
      const bytes = bytesOfHex(c["frame_hex"]);
      for (let end = 0; end < bytes.length; end++) {
        assertEquals(decodeHandshake(bytes, 0, end), null, c["id"]);
      }
      const handshake = decodeHandshake(bytes, 0, bytes.length)!;
      assertEquals(hexOf(encodeHandshake(handshake)), c["frame_hex"], c["id"]);
      assertEquals(decodeInfoHash(bytes, 0, 48), handshake.infoHash, c["id"]);
      const expected = c["expect"] ?? {};
      if (expected.reserved) assertEquals(hexOf(handshake.reserved), expected.reserved, c["id"]);
      if (expected.info_hash) assertEquals(hexOf(handshake.infoHash), expected.info_hash, c["id"]);
      if (expected.peer_id) {
        const inHex = /^[0-9a-f]{40}$/.test(expected.peer_id);
        const peerId = handshake.peerId;
        assertEquals(inHex ? hexOf(peerId) : new TextDecoder().decode(peerId), expected.peer_id);
      }
      for (
        const [key, value] of [
          ["extension_protocol", handshake.extended],
          ["fast", handshake.fast],
          ["dht", handshake.dht],
        ] as const
      ) if (expected[key] !== undefined) assertEquals(value, expected[key], `${c["id"]}: ${key}`);
    }
  },
);

vectorTest("frames: a recorded extension handshake of another program is understood", () => {
  const c = frames.find((c) => c["id"] === "rq-extended-handshake")!;
  const bytes = bytesOfHex(c["frame_hex"]);
  const handshake = decodeExtensionHandshake(bytes.subarray(6));
  const { m, metadata_size, reqq, upload_only } = c["expect"];
  assertEquals(Object.fromEntries(handshake.messages), m);
  assertEquals(handshake.metadataSize, metadata_size);
  assertEquals(handshake.reqq, reqq);
  assertEquals(handshake.uploadOnly, upload_only === 1);
  // The case's `expect` drops the last character: the payload says 23 bytes, and the bytes count.
  assertEquals(handshake.version, "qBittorrent/4.4.0alpha1");
  assertEquals([...handshake.yourIp!].join("."), c["expect"].yourip);
});

vectorTest("bitfields: what is right is taken and written, what is not is refused", () => {
  let compared = 0;
  for (const c of readCases("vectors/bitfields.json")) {
    if (c["hex"] === undefined) continue; // a rule; see behaviours
    const bytes = bytesOfHex(c["hex"]);
    if (c["verdict"] === "error") {
      assertThrows(() => Bitfield.fromBytes(bytes, c["num_pieces"]), PeerProtocolError);
    } else {
      const have: number[] = [];
      const bitfield = Bitfield.fromBytes(bytes, c["num_pieces"]);
      bitfield.forEachSet((piece) => have.push(piece));
      assertEquals(have, c["have"], c["id"]);
      const made = new Bitfield(c["num_pieces"]);
      for (const piece of c["have"]) made.set(piece);
      assertEquals(hexOf(made.bytes), c["hex"], c["id"]);
      assertEquals(made.count, have.length);
    }
    compared++;
  }
  assert(compared >= 3);
});

vectorTest(
  "extension messages: handshakes, those with unsorted keys and numbers as text included",
  () => {
    const cases = readCases("vectors/extension_messages.json").filter((c) =>
      c["kind"] === "handshake"
    );
    assert(cases.length >= 4);
    for (const c of cases) {
      const bytes = bytesOfHex(c["payload_hex"]);
      if (c["verdict"] === "error") {
        const error = assertThrows(() => decodeExtensionHandshake(bytes), PeerProtocolError);
        assertInstanceOf(error, PeerProtocolError);
        assertEquals((error as PeerProtocolError).code, "extension", c["id"]);
        continue;
      }
      const handshake = decodeExtensionHandshake(bytes);
      const { m, v, p, metadata_size } = c["expect"];
      if (m !== undefined) assertEquals(Object.fromEntries(handshake.messages), m, c["id"]);
      if (v !== undefined) assertEquals(handshake.version, v, c["id"]);
      if (p !== undefined) assertEquals(handshake.port, p, c["id"]);
      if (metadata_size !== undefined) assertEquals(handshake.metadataSize, metadata_size, c["id"]);
    }
  },
);

vectorTest(
  "extension messages: any payload goes through the codec unharmed and crashes no decoder",
  () => {
    // What rides on BEP 10 beside the handshake (ut_metadata, ut_pex, ut_holepunch) is not parsed yet.
    for (const c of readCases("vectors/extension_messages.json")) {
      if (c["payload_hex"] === undefined) continue;
      const payload = bytesOfHex(c["payload_hex"]);
      const writer = new MessageWriter();
      writer.extended(9, payload);
      const frame = writer.take()!;
      const { decoder, rewriter } = decoderFor(frame);
      decoder.feed(frame);
      assertEquals(rewriter.told, [{ type: "extended", id: 9, payload }], c["id"]);
      try {
        decodeExtensionHandshake(payload);
      } catch (error) {
        assertInstanceOf(error, PeerProtocolError, c["id"]);
      }
    }
  },
);

vectorTest("extension messages: the reserved bit of v2 is where others have it", () => {
  const c = readCases("vectors/extension_messages.json").find((c) => c["id"] === "an-v2-bit")!;
  const id = new Uint8Array(20);
  const bytes = encodeHandshake({ infoHash: id, peerId: id, v2: true });
  assertEquals(hexOf(bytes.subarray(20, 28)), c["reserved_hex"]);
  assertEquals(decodeHandshake(bytes, 0, bytes.length)!.v2, true);
});

vectorTest(
  "peer ids: every one gives something printable, and the program's name where it is known",
  () => {
    // Decided: names are ours ("uTorrent", "Vuze"), versions stand as their four characters do, and
    // the styles that died out (Shadow's, BitLord's, BitComet's old one) are unknown.
    const known = new Set<string>();
    for (const c of readCases("vectors/peer_ids.json")) {
      const peerId = new Uint8Array(20).fill(0x78);
      peerId.set(bytesOfHex(c["peer_id_hex"] ?? c["prefix_hex"]).subarray(0, 20));
      const name = clientName(peerId);
      assertMatch(name, /^[\x20-\x7e]+$/, c["id"]);
      if (name === "unknown" || c["client"] === undefined) continue;
      known.add(c["id"]);
      const first = name.split(" ")[0]!;
      assertStringIncludes(c["client"].replace("\u00b5", "u").replace("Azureus", "Vuze"), first);
    }
    assert(known.size >= 20, `only ${known.size} are known`);
  },
);

const behaviours = readCases("vectors/behaviours.json");

/** A rule of the test data that this test decides; fails when it is there no more. */
function rule(id: string): string {
  const found = behaviours.find((c) => c["id"] === id);
  assert(found !== undefined, `no case ${id}`);
  return found["rule"];
}

/** Feeds a frame of `length`, `id` and nothing behind to a decoder for seven pieces. */
function feedHeader(length: number, id: number): Rewriter {
  const rewriter = new Rewriter();
  const decoder = new MessageDecoder({ handler: rewriter, pieceCount: 7 });
  const header = new Uint8Array(5);
  new DataView(header.buffer).setUint32(0, length);
  header[4] = id;
  decoder.feed(header);
  return rewriter;
}

vectorTest("behaviours: sc-large_message is followed: refused before it is read", () => {
  assertStringIncludes(rule("sc-large_message"), "before it is read");
  for (const id of [MESSAGE_ID.piece, MESSAGE_ID.bitfield, MESSAGE_ID.extended, 99]) {
    assertThrows(() => feedHeader(1024 * 1024 + 1, id), PeerProtocolError, "length is 1048577");
  }
});

vectorTest("behaviours: sc-short_bitfield and sc-long_bitfield are followed", () => {
  rule("sc-short_bitfield");
  rule("sc-long_bitfield");
  // Seven pieces: one byte and the id.
  for (const length of [1, 3, 4]) {
    assertThrows(() => feedHeader(length, MESSAGE_ID.bitfield), PeerProtocolError, "bitfield");
  }
});

vectorTest(
  "behaviours: sc-invalid_message is followed for broken messages, not for unknown ones",
  () => {
    // Decided: a message with an unknown id is skipped, within a limit. The protocol grew by new ids
    // (BEP 6, BEP 10, BEP 52), and a peer that sends one does no harm.
    rule("sc-invalid_message");
    assertThrows(() => feedHeader(2, MESSAGE_ID.have), PeerProtocolError);
    assertEquals(feedHeader(1, 99).told, [{ type: "unknown", id: 99, bytes: 0 }]);
  },
);

vectorTest(
  "behaviours: sc-v1_only_false_v2_claim_rejects_hash_request: at this level it is an unknown message",
  () => {
    // Decided: BEP 52's hash request (21) is skipped, as nothing here speaks v2 on the wire yet.
    rule("sc-v1_only_false_v2_claim_rejects_hash_request");
    const frame = new Uint8Array(4 + 49);
    frame.set([0, 0, 0, 49, 21]);
    const { decoder, rewriter } = decoderFor(frame);
    decoder.feed(frame);
    assertEquals(rewriter.told, [{ type: "unknown", id: 21, bytes: 48 }]);
  },
);

vectorTest(
  "behaviours: several bitfields, have-alls and have-nones all come through the codec",
  () => {
    // fe-multiple_bitfields, fe-multiple_have_all, sc-alternate_have_all_have_none,
    // sc-full_bitfield_and_have_all: the codec keeps no order; what to make of it is the connection's.
    for (const id of ["fe-multiple_bitfields", "fe-multiple_have_all"]) rule(id);
    for (const id of ["sc-alternate_have_all_have_none", "sc-full_bitfield_and_have_all"]) rule(id);
    const writer = new MessageWriter();
    writer.bitfield(Uint8Array.of(0xfe));
    writer.haveAll();
    writer.haveNone();
    writer.bitfield(Uint8Array.of(0x10));
    const rewriter = new Rewriter();
    new MessageDecoder({ handler: rewriter, pieceCount: 7 }).feed(writer.take()!);
    assertEquals(rewriter.told.map(({ type }) => type), [
      "bitfield",
      "have_all",
      "have_none",
      "bitfield",
    ]);
  },
);

vectorTest(
  "behaviours: sc-invalid_request, fe-invalid_request, fe-invalid_suggest: told with the exact numbers",
  () => {
    // Whether there is such a piece is for who knows the torrent: the codec tells, and does not judge.
    for (const id of ["sc-invalid_request", "fe-invalid_request", "fe-invalid_suggest"]) rule(id);
    const writer = new MessageWriter();
    writer.request(0x0766235b, 0, 0x4000);
    writer.suggest(0xffffffff);
    const rewriter = new Rewriter();
    new MessageDecoder({ handler: rewriter, pieceCount: 7 }).feed(writer.take()!);
    assertEquals(rewriter.told, [
      { type: "request", index: 0x0766235b, begin: 0, length: 0x4000 },
      { type: "suggest", index: 0xffffffff },
    ]);
  },
);
