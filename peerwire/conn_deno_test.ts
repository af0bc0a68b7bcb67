/** Real sockets on loopback. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { bitfieldOf, fillContent, geometryOf, isContent } from "./_test_swarm.ts";
import { dialPeer, type Greeted, greetPeer, PeerSocket } from "./conn_deno.ts";
import type { Connection } from "./connection.ts";
import { PeerProtocolError } from "./errors.ts";
import { encodeHandshake, HANDSHAKE_BYTES, type HandshakeFields } from "./handshake.ts";
import { Manager } from "./manager.ts";
import { MessageWriter } from "./message_writer.ts";

const INFO_HASH = new Uint8Array(20).fill(1);
const OTHER_HASH = new Uint8Array(20).fill(9);

function handshakeOf(idByte: number, infoHash = INFO_HASH): HandshakeFields {
  return { infoHash, peerId: new Uint8Array(20).fill(idByte), fast: true, extended: true };
}

const never = new AbortController().signal;

/** A listening socket for one test, and both ends of what is dialled to it. */
class Loopback {
  readonly listener: Deno.TcpListener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly address = { host: "127.0.0.1", port: this.listener.addr.port };

  /** Two joined sockets, without handshakes. */
  async pair(): Promise<[dialled: Deno.TcpConn, accepted: Deno.TcpConn]> {
    const dialled = Deno.connect({ hostname: "127.0.0.1", port: this.address.port });
    return [await dialled, await this.listener.accept()];
  }

  [Symbol.dispose](): void {
    this.listener.close();
  }
}

/** Answers for the torrent of these tests, and for no other. */
function choose(infoHash: Uint8Array): HandshakeFields | null {
  return infoHash[0] === INFO_HASH[0] ? handshakeOf(200) : null;
}

/** Reads until the other side hangs up. */
async function readAll(socket: Deno.TcpConn): Promise<Uint8Array> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(1000);
  for (;;) {
    const count = await socket.read(buffer).catch(() => null); // a reset is a hanging up too
    if (count === null) return Uint8Array.from(bytes);
    bytes.push(...buffer.subarray(0, count));
  }
}

/** Reads so many bytes at least. */
async function readUntil(socket: Deno.TcpConn, bytes: number): Promise<void> {
  const buffer = new Uint8Array(65536);
  for (let count = 0; count < bytes;) count += (await socket.read(buffer))!;
}

async function writeAll(socket: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await socket.write(bytes.subarray(sent));
}

/** What a promise was rejected with. */
async function errorOf(promise: Promise<Greeted>): Promise<Error> {
  const error = await promise.then(
    (greeted) => (greeted.socket.close(), null),
    (error: unknown) => error,
  );
  assertInstanceOf(error, Error);
  return error;
}

function codeOf(error: Error): string {
  assertInstanceOf(error, PeerProtocolError);
  return error.code;
}

Deno.test("dialPeer() and greetPeer() tell each side what the other said", async () => {
  using loopback = new Loopback();
  const dialling = dialPeer(loopback.address, handshakeOf(100), never);
  const greeting = greetPeer(await loopback.listener.accept(), choose, never);
  const [dialled, greeted] = [await dialling, await greeting];
  assertEquals(dialled.handshake.peerId[0], 200);
  assertEquals(greeted.handshake.peerId[0], 100);
  for (const { handshake, rest } of [dialled, greeted]) {
    assertEquals([handshake.fast, handshake.extended, rest.length], [true, true, 0]);
    assertEquals(handshake.infoHash, INFO_HASH);
  }
  dialled.socket.close();
  greeted.socket.close();
});

Deno.test("greetPeer() keeps what came behind the handshake, and reads one that comes byte by byte", async () => {
  using loopback = new Loopback();
  const [peer, accepted] = await loopback.pair();
  const greeting = greetPeer(accepted, choose, never);
  for (const byte of encodeHandshake(handshakeOf(100))) {
    await writeAll(peer, new Uint8Array([byte]));
    await new Promise((resolve) => queueMicrotask(() => resolve(null)));
  }
  (await greeting).socket.close();
  peer.close();

  const [hasty, acceptedToo] = await loopback.pair();
  await writeAll(hasty, new Uint8Array([...encodeHandshake(handshakeOf(100)), 0, 0, 0, 1, 2]));
  const greeted = await greetPeer(acceptedToo, choose, never);
  const rest = new Uint8Array(5);
  rest.set(greeted.rest);
  for (let count = greeted.rest.length; count < 5;) {
    count += (await greeted.socket.read(rest.subarray(count)))!;
  }
  assertEquals([...rest], [0, 0, 0, 1, 2]);
  greeted.socket.close();
  hasty.close();
});

Deno.test("greetPeer() answers a peer that holds its id back until it has seen ours", async () => {
  using loopback = new Loopback();
  const [peer, accepted] = await loopback.pair();
  const greeting = greetPeer(accepted, choose, never);
  const bytes = encodeHandshake(handshakeOf(100));
  await writeAll(peer, bytes.subarray(0, 48));
  const answer = new Uint8Array(HANDSHAKE_BYTES);
  for (let count = 0; count < HANDSHAKE_BYTES;) {
    count += (await peer.read(answer.subarray(count)))!;
  }
  assertEquals(answer[67], 200);
  await writeAll(peer, bytes.subarray(48));
  assertEquals((await greeting).handshake.peerId[0], 100);
  (await greeting).socket.close();
  peer.close();
});

Deno.test("greetPeer() hangs up on a torrent that is not here, without an answer", async () => {
  using loopback = new Loopback();
  const [peer, accepted] = await loopback.pair();
  await writeAll(peer, encodeHandshake(handshakeOf(100, OTHER_HASH)));
  const error = await errorOf(greetPeer(accepted, choose, never));
  assertEquals(codeOf(error), "wrong-info-hash");
  assertEquals((await readAll(peer)).length, 0);
  peer.close();
});

Deno.test("dialPeer() hangs up on a peer that answers for another torrent", async () => {
  using loopback = new Loopback();
  const dialling = errorOf(dialPeer(loopback.address, handshakeOf(100), never));
  const peer = await loopback.listener.accept();
  await writeAll(peer, encodeHandshake(handshakeOf(200, OTHER_HASH)));
  assertEquals(codeOf(await dialling), "wrong-info-hash");
  assertEquals((await readAll(peer)).length, HANDSHAKE_BYTES);
  peer.close();
});

Deno.test("greetPeer() hangs up at once on a peer that opens with an encrypted handshake", async () => {
  using loopback = new Loopback();
  const [peer, accepted] = await loopback.pair();
  await writeAll(peer, new Uint8Array([0x7f])); // one byte says it
  const error = await errorOf(greetPeer(accepted, choose, never));
  assertEquals(codeOf(error), "bad-handshake");
  assertEquals((await readAll(peer)).length, 0);
  peer.close();
});

Deno.test("greetPeer() says how much came of a peer that hangs up in the middle", async () => {
  using loopback = new Loopback();
  const [peer, accepted] = await loopback.pair();
  await writeAll(peer, encodeHandshake(handshakeOf(100)).subarray(0, 30));
  peer.close();
  const error = await errorOf(greetPeer(accepted, choose, never));
  assertEquals(codeOf(error), "bad-handshake");
  assert(error.message.includes("30 of 68"), error.message);
});

Deno.test("greetPeer() and dialPeer() stop waiting for a silent peer when they are told to", async () => {
  using loopback = new Loopback();
  const [peer, accepted] = await loopback.pair();
  const stop = new AbortController();
  const greeting = errorOf(greetPeer(accepted, choose, stop.signal));
  const dialling = errorOf(dialPeer(loopback.address, handshakeOf(100), stop.signal));
  const silent = await loopback.listener.accept();
  const first = new Uint8Array(1);
  await silent.read(first); // the dialler is connected and waits for an answer
  stop.abort();
  await greeting;
  await dialling;
  assertEquals((await readAll(peer)).length, 0);
  peer.close();
  silent.close();
});

Deno.test("greetPeer() and dialPeer() wait for nobody when they were told to stop before", async () => {
  using loopback = new Loopback();
  const [peer, accepted] = await loopback.pair();
  await errorOf(greetPeer(accepted, choose, AbortSignal.abort()));
  await errorOf(dialPeer(loopback.address, handshakeOf(100), AbortSignal.abort()));
  assertEquals((await readAll(peer)).length, 0);
  peer.close();
});

Deno.test("greetPeer() gives up a greeting that is told to stop when all of it is here already", async () => {
  using loopback = new Loopback();
  const [dialled, accepted] = await loopback.pair();
  using _ = dialled;
  await writeAll(dialled, encodeHandshake(handshakeOf(100)));
  const stop = new AbortController();
  const write = accepted.write.bind(accepted);
  accepted.write = async (bytes) => {
    const count = await write(bytes);
    stop.abort();
    return count;
  };
  const error = await errorOf(greetPeer(accepted, choose, stop.signal));
  assertInstanceOf(error, Deno.errors.ConnectionAborted);
});

Deno.test("dialPeer() rejects where nobody listens", async () => {
  const loopback = new Loopback();
  loopback.listener.close();
  await assertRejects(() => dialPeer(loopback.address, handshakeOf(100), never));
});

/** A manager on real sockets, with content in memory: what a session does, in short. */
class Node {
  readonly manager: Manager;
  readonly completed: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly idByte: number;
  readonly #sockets = new Map<Connection, PeerSocket>();
  readonly #runs: Promise<void>[] = [];
  inputs = 0;

  constructor(idByte: number, has: string) {
    this.idByte = idByte;
    const geometry = geometryOf(4 * BLOCK_BYTES, has.length * 4 * BLOCK_BYTES - 77);
    this.manager = new Manager({
      geometry,
      have: bitfieldOf(has),
      peerId: new Uint8Array(20).fill(idByte),
      listenPort: 6881,
      version: "test",
      random: Math.random,
      sink: {
        flush: (connection) => void this.#sockets.get(connection)?.flush(),
        closed: (connection) => this.#sockets.get(connection)?.close(),
        dial: () => {},
        storePiece: (piece, data) =>
          queueMicrotask(() => {
            const outcome = isContent(data, piece, 0) ? "stored" : "corrupt";
            this.manager.handleStored(piece, outcome, performance.now());
          }),
        readSpan: (key, piece, begin, target) =>
          queueMicrotask(() => {
            fillContent(target, piece, begin);
            this.manager.handleRead(key, true, performance.now());
          }),
        pieceDone: () => {
          if (this.manager.have.isFull) this.completed.resolve();
        },
      },
    });
  }

  attach(greeted: Greeted, isIncoming: boolean): void {
    const { socket, handshake, rest } = greeted;
    const { hostname, port } = socket.remoteAddr;
    const connection = this.manager.attach({
      address: { host: hostname, port },
      peerId: handshake.peerId,
      isIncoming,
      isFast: handshake.fast,
      isExtended: handshake.extended,
    }, performance.now());
    if (typeof connection === "string") throw new Error(connection);
    const peer = new PeerSocket(
      socket,
      this.manager,
      connection,
      () => performance.now(),
      () => this.inputs++,
    );
    this.#sockets.set(connection, peer);
    peer.flush();
    this.#runs.push(peer.run(rest));
  }

  /** Ends, and waits until nothing of it is left. */
  async end(): Promise<void> {
    this.manager.end(performance.now());
    await Promise.all(this.#runs);
  }
}

/** Joins two nodes by a real connection. */
async function join(loopback: Loopback, one: Node, other: Node): Promise<void> {
  const dialling = dialPeer(loopback.address, handshakeOf(one.idByte), never);
  const accepted = await loopback.listener.accept();
  const greeting = greetPeer(accepted, () => handshakeOf(other.idByte), never);
  one.attach(await dialling, false);
  other.attach(await greeting, true);
}

Deno.test("PeerSocket carries a torrent from a seed to a leecher, whichever dialled", async () => {
  using loopback = new Loopback();
  for (const seedDials of [true, false]) {
    const seed = new Node(1, "x".repeat(150));
    const leecher = new Node(2, "-".repeat(150));
    await (seedDials ? join(loopback, seed, leecher) : join(loopback, leecher, seed));
    await leecher.completed.promise;
    const { stats } = leecher.manager;
    assertEquals(stats.verifiedBytes, leecher.manager.have.length * 4 * BLOCK_BYTES - 77);
    assertEquals(stats.wasted, { duplicate: 0, unasked: 0, corrupt: 0, abandoned: 0 });
    assert(leecher.inputs > 0 && seed.inputs > 0);
    await seed.end();
    await leecher.end();
    assertEquals([seed.manager.connectionCount, leecher.manager.connectionCount], [0, 0]);
  }
});

Deno.test("PeerSocket goes on sending what is waited for as the line takes it", async () => {
  using loopback = new Loopback();
  const node = new Node(1, "x".repeat(25));
  const [peer, accepted] = await loopback.pair();
  await writeAll(peer, encodeHandshake(handshakeOf(100)));
  node.attach(await greetPeer(accepted, () => handshakeOf(1), never), true);
  const writer = new MessageWriter();
  writer.interested();
  for (let i = 0; i < 96; i++) writer.request(0, (i & 3) * BLOCK_BYTES, BLOCK_BYTES);
  await writeAll(peer, writer.take()!); // 1.5 MiB at once, three times what is handed to a line
  await readUntil(peer, HANDSHAKE_BYTES + 96 * (13 + BLOCK_BYTES));
  assertEquals(node.manager.stats.uploadedBytes, 96 * BLOCK_BYTES);
  await node.end();
  peer.close();
});

Deno.test("PeerSocket tells its manager when the peer hangs up", async () => {
  using loopback = new Loopback();
  const [one, other] = [new Node(1, "x-"), new Node(2, "-x")];
  await join(loopback, one, other);
  await one.end();
  await other.end();
  assertEquals(other.manager.connectionCount, 0);
});

Deno.test("PeerSocket closes the line on a peer that breaks the protocol", async () => {
  using loopback = new Loopback();
  const node = new Node(1, "xx");
  const [peer, accepted] = await loopback.pair();
  await writeAll(peer, encodeHandshake(handshakeOf(100)));
  node.attach(await greetPeer(accepted, () => handshakeOf(1), never), true);
  await writeAll(peer, new Uint8Array([0, 0, 0, 5, 4, 0, 0, 0, 99])); // no such piece
  await readAll(peer);
  peer.close();
  await node.end();
  assertEquals(node.manager.connectionCount, 0);
});
