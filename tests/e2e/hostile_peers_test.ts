/**
 * Our real `download` against peers that break the protocol, on real sockets.
 *
 * In each test an honest seed lets itself be asked only once the hostile peers have done their worst,
 * so that the download does not end before. What has to hold: it completes from the honest seed, byte for byte,
 * in its time and its memory, and nothing is printed of what peers do.
 */
import { BLOCK_BYTES } from "@enjambre/metainfo";
import { encodeHandshake, MESSAGE_ID, type MessageWriter } from "@enjambre/peerwire";
import { within } from "../kit/deadline.ts";
import { type Scope, scoped } from "../kit/scoped.ts";
import {
  bytesOf,
  fullBitfield,
  handshakeOf,
  ScriptedListener,
  type ScriptedPeer,
} from "../kit/scripted_peer.ts";
import { makeSharedFile, type SharedFile } from "../kit/shared_file.ts";
import {
  assertDownloads,
  flood,
  FLOOD_BYTES,
  HANG_UP_MS_MAX,
  shared,
  TEST_MS_MAX,
} from "./_hostile.ts";

/** A hostile peer; the honest one begins when `release` is called or the script ends. */
type HostileScript = (peer: ScriptedPeer, release: () => void) => Promise<void>;

/** Downloads beside hostile peers, all of which have to do their worst first. */
function downloadTest(name: string, ...scripts: HostileScript[]): void {
  Deno.test(`download completes beside ${name}`, () =>
    scoped(TEST_MS_MAX, (scope) => downloadBeside(scope, shared, scripts)));
}

async function downloadBeside(
  scope: Scope,
  file: SharedFile,
  scripts: readonly HostileScript[],
): Promise<void> {
  const listeners: ScriptedListener[] = [];
  const gates: Promise<void>[] = [];
  for (const script of scripts) {
    const { promise, resolve } = Promise.withResolvers<void>();
    gates.push(promise);
    const run = (peer: ScriptedPeer) => script(peer, resolve).finally(resolve);
    listeners.push(await scope.use(new ScriptedListener(file, run)));
  }
  const honest = (peer: ScriptedPeer) => serveHonestly(peer, Promise.all(gates));
  listeners.push(await scope.use(new ScriptedListener(file, honest)));
  await assertDownloads(scope, file, listeners.map((listener) => listener.address));
}

/** A seed as it should be, as soon as it may. */
async function serveHonestly(peer: ScriptedPeer, gate: Promise<unknown>): Promise<void> {
  await peer.greet();
  await peer.say((writer) => writer.haveAll());
  await peer.hear("handleInterested");
  await gate;
  await peer.say((writer) => writer.unchoke());
  await peer.serve();
}

/** Bytes of a message that claims any length. */
function message(length: number, id: number, payload: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array([0, 0, 0, 0, id, ...payload]);
  new DataView(bytes.buffer).setUint32(0, length);
  return bytes;
}

/** Sends these bytes behind the handshake, and has to be hung up on for it. */
function breaks(bytes: Uint8Array): HostileScript {
  return async (peer) => {
    await peer.greet();
    await peer.send(bytes);
    await within(HANG_UP_MS_MAX, "being hung up on", peer.untilHungUp());
  };
}

/** The same for messages. */
function says(write: (writer: MessageWriter) => void): HostileScript {
  return breaks(bytesOf(write));
}

/** Offers everything, then sends a flood that does no harm, reads what comes, and lets nobody ask. */
function floods(
  bytes: number,
  write: (writer: MessageWriter, i: number) => void,
): HostileScript {
  return async (peer, release) => {
    await peer.greet();
    await peer.say((writer) => writer.bitfield(fullBitfield(shared)));
    const reading = peer.untilHungUp();
    await flood(peer, bytes, write);
    release();
    await reading;
  };
}

downloadTest("a peer that answers for another torrent", async (peer) => {
  await peer.send(encodeHandshake({
    ...handshakeOf(shared),
    infoHash: new Uint8Array(20).fill(7),
  }));
  await within(HANG_UP_MS_MAX, "being hung up on", peer.untilHungUp());
});

downloadTest(
  "peers that hang up before, in and behind the handshake",
  async () => {},
  async (peer) => await peer.send(encodeHandshake(handshakeOf(shared)).subarray(0, 30)),
  async (peer) => await peer.greet(),
);

downloadTest("a peer that opens with an encrypted handshake", async (peer) => {
  await peer.send(crypto.getRandomValues(new Uint8Array(96)).fill(0x80, 0, 1));
  await within(HANG_UP_MS_MAX, "being hung up on", peer.untilHungUp());
});

downloadTest(
  "peers whose messages have a wrong or absurd length",
  breaks(message(6, MESSAGE_ID.have, [0, 0, 0, 1, 0])),
  breaks(message(4, MESSAGE_ID.request, [0, 0, 0])),
  breaks(message(9, MESSAGE_ID.piece, [0, 0, 0, 0, 0, 0, 0, 0])),
  breaks(message(2 ** 31, MESSAGE_ID.piece)),
  breaks(message(2 ** 32 - 1, 99)),
);

downloadTest(
  "peers that claim what cannot be",
  says((writer) => writer.have(shared.torrent.geometry.pieceCount)),
  says((writer) => writer.have(2 ** 32 - 1)),
  says((writer) => writer.bitfield(new Uint8Array(3))),
  says((writer) => writer.bitfield(new Uint8Array(5))),
);

Deno.test("download completes beside a peer whose bitfield has spare bits set", () =>
  scoped(TEST_MS_MAX, async (scope) => {
    const file = await makeSharedFile(30 * 65_536);
    const spare = says((writer) => writer.bitfield(new Uint8Array(4).fill(0xff)));
    await downloadBeside(scope, file, [spare]);
  }));

downloadTest(
  "peers that request nonsense",
  says((writer) => writer.request(99, 0, BLOCK_BYTES)),
  says((writer) => writer.request(0, 65_536 - BLOCK_BYTES + 1, BLOCK_BYTES)),
  says((writer) => writer.request(0, 2 ** 32 - 1, BLOCK_BYTES)),
  says((writer) => writer.request(0, 0, 0)),
  says((writer) => writer.request(0, 0, 2 ** 31)),
  says((writer) => writer.request(0, 0, 128 * 1024 + 1)),
);

downloadTest(
  "peers whose extension messages make no sense",
  says((writer) => writer.extended(0, new TextEncoder().encode("no dictionary"))),
  says((writer) => writer.extended(0, new TextEncoder().encode("d1:md"))),
  says((writer) => writer.reject(99, 0, BLOCK_BYTES)),
  says((writer) => writer.suggest(99)),
);

downloadTest("a peer that sends what nobody asked for", async (peer) => {
  await peer.greet();
  const { pieceCount } = shared.torrent.geometry;
  const reading = within(HANG_UP_MS_MAX, "being hung up on", peer.untilHungUp());
  for (let i = 0; i < 2 * pieceCount; i++) {
    await peer.give({ piece: i % (pieceCount - 1), begin: 0, length: BLOCK_BYTES });
  }
  await reading;
});

downloadTest("a peer all of whose data are bad", async (peer) => {
  await peer.greet();
  await peer.offerEverything();
  await within(
    HANG_UP_MS_MAX,
    "being hung up on",
    peer.serve((request) => peer.give(request, false)),
  );
});

Deno.test("download completes beside a peer whose bad data are mixed with the honest", () =>
  scoped(TEST_MS_MAX, async (scope) => {
    const file = await makeSharedFile(16 * 1024 * 1024);
    await downloadBeside(scope, file, [async (peer, release) => {
      await peer.greet();
      // It takes one request at a time, so that no piece is its own.
      await peer.say((writer) => writer.extended(0, new TextEncoder().encode("d4:reqqi1ee")));
      await peer.offerEverything();
      const first = await peer.hear("handleRequest");
      release();
      await peer.give(first, false);
      await peer.serve((request) => peer.give(request, false));
    }]);
  }));

downloadTest("a peer that chokes again and again", async (peer, release) => {
  await peer.greet();
  await peer.offerEverything();
  for (let round = 0;; round++) {
    await peer.hear("handleRequest");
    await peer.say((writer) => writer.choke());
    await peer.say((writer) => writer.unchoke());
    if (round === 100) release();
  }
});

downloadTest("a peer that never lets anybody ask", async (peer, release) => {
  await peer.greet();
  await peer.say((writer) => writer.haveAll());
  await peer.hear("handleInterested");
  release();
  await peer.closed;
});

/** Lets itself be asked, and never answers. */
const silent: HostileScript = async (peer, release) => {
  await peer.greet();
  await peer.offerEverything();
  await peer.hear("handleRequest");
  release();
  await peer.closed;
};

downloadTest("a peer that never answers what it lets be asked", silent);

// More than are ever asked for one block at the end: together they must not keep out the one that answers.
downloadTest("six peers that never answer", silent, silent, silent, silent, silent, silent);

downloadTest("a peer that rejects whatever it is asked for", async (peer, release) => {
  await peer.greet();
  await peer.offerEverything();
  let rejects = 0;
  await peer.serve(async ({ piece, begin, length }) => {
    await peer.say((writer) => writer.reject(piece, begin, length));
    if (++rejects === 16) release();
  });
});

downloadTest("a peer that hangs up whenever it is asked", async (peer) => {
  await peer.greet();
  await peer.offerEverything();
  await peer.hear("handleRequest");
});

downloadTest("a peer that sends a byte at a time", async (peer, release) => {
  const bytewise = async (bytes: Uint8Array): Promise<void> => {
    for (let i = 0; i < bytes.length; i++) await peer.send(bytes.subarray(i, i + 1));
  };
  await bytewise(encodeHandshake(handshakeOf(shared)));
  await bytewise(bytesOf((writer) => writer.bitfield(fullBitfield(shared))));
  await peer.hearHandshake();
  await peer.offerEverything();
  const { piece, begin } = await peer.hear("handleRequest");
  const block = shared.data.subarray(piece * 65_536 + begin).subarray(0, BLOCK_BYTES);
  const answer = bytesOf((writer) => writer.piece(piece, begin, block, 0, BLOCK_BYTES));
  await bytewise(answer.subarray(0, 2000));
  release();
  await bytewise(answer.subarray(2000)); // it may come or not
  await peer.closed;
});

downloadTest(
  "floods of haves and keep-alives",
  floods(FLOOD_BYTES, (writer, i) => writer.have(i % shared.torrent.geometry.pieceCount)),
  floods(FLOOD_BYTES, (writer) => writer.keepAlive()),
);

downloadTest(
  "floods of messages that mean nothing here",
  floods(FLOOD_BYTES, (writer) => writer.raw(message(200, 99, new Array(199).fill(1)))),
  floods(FLOOD_BYTES, (writer) => writer.port(6881)),
  floods(FLOOD_BYTES, (writer) => writer.extended(7, new Uint8Array(1000))),
);

downloadTest(
  "floods of extension handshakes",
  floods(FLOOD_BYTES / 32, (writer, i) => {
    writer.extended(0, new TextEncoder().encode(`d1:md7:m${i % 100_000 + 100_000}i3eee`));
  }),
);

/** A flood that may be hung up on. */
function burst(
  bytes: number,
  write: (writer: MessageWriter, i: number) => void,
): HostileScript {
  return async (peer) => {
    await peer.greet();
    await flood(peer, bytes, write);
  };
}

downloadTest(
  "floods of changes of mind",
  burst(FLOOD_BYTES / 16, (writer, i) => i % 2 === 0 ? writer.haveAll() : writer.haveNone()),
  burst(FLOOD_BYTES / 16, (writer) => writer.bitfield(fullBitfield(shared))),
  burst(
    FLOOD_BYTES / 16,
    (writer, i) => i % 2 === 0 ? writer.interested() : writer.notInterested(),
  ),
  burst(FLOOD_BYTES / 16, (writer, i) => i % 2 === 0 ? writer.unchoke() : writer.choke()),
);

downloadTest("a peer that requests without end and reads nothing", async (peer, release) => {
  await peer.greet();
  await flood(peer, FLOOD_BYTES, (writer) => writer.request(0, 0, BLOCK_BYTES));
  release();
  await peer.closed;
});
