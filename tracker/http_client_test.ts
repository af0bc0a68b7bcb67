import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { encode } from "@enjambre/bencode";
import type { AnnounceRequest } from "./announce.ts";
import { TrackerError, type TrackerErrorCode } from "./errors.ts";
import { announceHttp, scrapeHttp, type TrackerHttpOptions } from "./http_client_deno.ts";
import { writeFailure } from "./response.ts";

const request: AnnounceRequest = {
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 0,
  event: "started",
  numWant: 50,
};

/** A test that also fails when timers or connections are left over. */
function leakTest(name: string, fn: () => void | Promise<void>, ignore: boolean = false): void {
  Deno.test({ name, fn, ignore, sanitizeOps: true, sanitizeResources: true });
}

/** Runs a web server that answers everything with `respond` for as long as `use` takes. */
async function withServer(
  respond: (request: Request) => Response | Promise<Response>,
  use: (origin: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, respond);
  try {
    await use(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

/** Runs a server that reads a request, sends these bytes as they are, and then nothing more. */
async function withRawServer(
  reply: string,
  thenClose: boolean,
  use: (origin: string) => Promise<void>,
): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.read(new Uint8Array(65536));
      await connection.write(new TextEncoder().encode(reply));
      // Else until the other side hangs up.
      if (!thenClose) {
        while ((await connection.read(new Uint8Array(1024)).catch(() => null)) !== null);
      }
      connection.close();
    }
  })();
  try {
    await use(`http://127.0.0.1:${listener.addr.port}`);
  } finally {
    listener.close();
    await serving;
  }
}

async function assertFails(
  url: string,
  code: TrackerErrorCode,
  words: string,
  options: TrackerHttpOptions = {},
): Promise<TrackerError> {
  const error = await assertRejects(() => announceHttp(url, request, options), TrackerError);
  assertEquals([error.code, error.url], [code, url]);
  assertStringIncludes(error.message, words);
  assert(error.message.startsWith("Cannot "), error.message);
  assertEquals(/\n|\.$/.test(error.message), false, error.message);
  return error;
}

leakTest("announceHttp() sends the URL that was built, byte by byte", async () => {
  let seen = "";
  const respond = (asked: Request) => {
    seen = asked.url;
    return new Response(encode({ interval: 60, peers: [{ ip: "seed_1", port: 5 }] }));
  };
  await withServer(respond, async (origin) => {
    const infoHash = Uint8Array.from({ length: 20 }, (_, i) => 240 + i);
    const result = await announceHttp(`${origin}/k%2F/announce?p=%41`, { ...request, infoHash });
    assertEquals(result.ok && result.peers, [{ host: "seed_1", port: 5, peerId: null }]);
    assertStringIncludes(seen, "/k%2F/announce?p=%41&info_hash=%F0%F1%F2%F3%F4%F5%F6%F7%F8%F9%FA");
  });
});

leakTest("announceHttp() gives a refusal as a value, also with an HTTP error", async () => {
  for (const status of [200, 400, 403, 503]) {
    await withServer(() => new Response(writeFailure("not you"), { status }), async (origin) => {
      assertEquals(await announceHttp(`${origin}/announce`, request), {
        ok: false,
        failureReason: "not you",
      });
    });
  }
});

leakTest("announceHttp() says what is wrong with an answer", async () => {
  const table: [() => Response, TrackerErrorCode, string][] = [
    [() => new Response("no", { status: 404 }), "http-status", "the answer is HTTP 404 Not Found"],
    [() => new Response(null, { status: 500 }), "http-status", "HTTP 500"],
    [() => new Response("x".repeat(999), { status: 502 }), "http-status", "HTTP 502"],
    [() => new Response("\n<!doctype html><p>Hi"), "not-bencode", "the answer is a web page"],
    [() => new Response(""), "not-bencode", "the answer is empty"],
    [() => new Response(null, { status: 204 }), "not-bencode", "the answer is empty"],
    [
      () => new Response("hello"),
      "not-bencode",
      `the answer is not bencode: found "h", expected a value (byte 0)`,
    ],
    [
      () => new Response("i1e"),
      "bad-response",
      "it is an integer, should be a dictionary (byte 0)",
    ],
    [
      () => new Response("d5:peers1:ae"),
      "bad-response",
      '"peers" is 1 bytes, should be a multiple',
    ],
    [() => new Response("x".repeat(101)), "too-large", "the answer exceeds 100 bytes"],
  ];
  for (const [respond, code, words] of table) {
    await withServer(respond, async (origin) => {
      const url = `${origin}/secret-passkey/announce`;
      const error = await assertFails(url, code, words, { bodyBytesMax: 100 });
      assertEquals(error.message.includes("secret"), false);
    });
  }
});

leakTest("announceHttp() stops reading a body that does not end", async () => {
  let sent = 0;
  let cancelled = () => {};
  const cancellation = new Promise<void>((resolve) => cancelled = resolve);
  const respond = () =>
    new Response(
      new ReadableStream({
        pull(controller) {
          controller.enqueue(new Uint8Array(65536));
          sent += 65536;
        },
        cancel: () => cancelled(),
      }),
    );
  await withServer(respond, async (origin) => {
    await assertFails(`${origin}/announce`, "too-large", "the answer exceeds 2097152 bytes");
    await cancellation;
    assert(sent >= 2 ** 21);
  });
});

leakTest("announceHttp() counts a compressed body by what it becomes", async () => {
  const zeros = new Blob([new Uint8Array(1_000_000)]).stream();
  const packed = await new Response(zeros.pipeThrough(new CompressionStream("gzip"))).bytes();
  assert(packed.length < 10_000);
  const respond = () => new Response(packed, { headers: { "content-encoding": "gzip" } });
  await withServer(respond, async (origin) => {
    await assertFails(`${origin}/announce`, "too-large", "exceeds 10000", { bodyBytesMax: 10_000 });
  });
});

leakTest("announceHttp() gives up on a tracker that does not come to an end", async () => {
  const headers = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
  for (const reply of ["", "HTTP/1.1 200 OK\r\n", headers, `${headers}d8:`]) {
    await withRawServer(reply, false, async (origin) => {
      const words = "no complete answer within 50 ms";
      await assertFails(`${origin}/announce`, "timeout", words, { timeoutMs: 50 });
    });
  }
});

leakTest(
  "announceHttp() says of a port that no client asks, and of TLS that is not there, so",
  async () => {
    await assertFails("http://127.0.0.1:9/announce", "unreachable", "this port, it is reserved");
    await withServer(() => new Response(""), async (origin) => {
      const url = `${origin.replace("http:", "https:")}/announce`;
      await assertFails(url, "unreachable", "it does not speak TLS; is it http:// instead?");
    });
  },
);

leakTest("announceHttp() ends when the caller's signal says so", async () => {
  const headers = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
  await withRawServer(headers, false, async (origin) => {
    const controller = new AbortController();
    queueMicrotask(() => controller.abort());
    const { signal } = controller;
    await assertFails(`${origin}/announce`, "aborted", "it was aborted", { signal });
    await assertFails(`${origin}/announce`, "aborted", "it was aborted", { signal });
  });
});

leakTest("announceHttp() leaves nothing behind at a signal that lives on", async () => {
  const { signal } = new AbortController();
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };
  await withServer(() => new Response("de"), async (origin) => {
    await announceHttp(`${origin}/announce`, request, { signal });
  });
  assertEquals(listeners, 0);
});

leakTest("announceHttp() says why a tracker cannot be reached", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const error = await assertFails(
    `http://127.0.0.1:${port}/key/announce`,
    "unreachable",
    `Cannot announce to 127.0.0.1:${port}: connection refused`,
  );
  assertInstanceOf(error.cause, Error);
  await withRawServer("", true, async (origin) => {
    await assertFails(`${origin}/announce`, "unreachable", "connection closed early");
  });
  await withRawServer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nd", true, async (origin) => {
    await assertFails(`${origin}/announce`, "unreachable", "connection closed early");
  });
  await withRawServer("what?\r\n\r\n", true, async (origin) => {
    await assertFails(`${origin}/announce`, "unreachable", "Cannot announce to 127.0.0.1");
    await assertFails(origin.replace("http:", "https:"), "unreachable", "it does not speak TLS");
  });
});

leakTest("announceHttp() follows redirects, within bounds and to HTTP alone", async () => {
  const respond = ({ url }: Request) => {
    const { pathname, search } = new URL(url);
    const to = (location: string) => new Response(null, { status: 302, headers: { location } });
    if (pathname === "/old") return to(`/new${search}`);
    if (pathname === "/loop") return to("/loop");
    if (pathname === "/file") return to("file:///dev/null");
    return new Response("d8:intervali77ee");
  };
  await withServer(respond, async (origin) => {
    const result = await announceHttp(`${origin}/old`, request);
    assertEquals(result.ok && result.intervalSeconds, 77);
    for (const path of ["/loop", "/file"]) {
      await assertFails(origin + path, "redirects", "it redirects too often");
    }
  });
});

leakTest("announceHttp() refuses what is no HTTP URL or no announce, without asking", async () => {
  await assertFails("udp://127.0.0.1:1/announce", "bad-url", "should begin with http://");
  await assertFails("", "bad-url", 'Cannot use tracker URL ""');
  await assertRejects(
    () => announceHttp("http://127.0.0.1/announce", { ...request, port: 0 }),
    RangeError,
  );
});

leakTest("scrapeHttp() asks the scrape URL, and has the same errors", async () => {
  const respond = ({ url }: Request) => {
    const path = new URL(url).pathname;
    return path === "/x/scrape"
      ? new Response("d5:filesdee")
      : new Response("<p>", { status: 404 });
  };
  await withServer(respond, async (origin) => {
    assertEquals(await scrapeHttp(`${origin}/x/announce`, [request.infoHash]), new Map());
    for (const [path, code] of [["/announce", "http-status"], ["/a", "no-scrape"]] as const) {
      const scrape = () => scrapeHttp(origin + path, [request.infoHash]);
      const error = await assertRejects(scrape, TrackerError, "Cannot scrape 127.0.0.1:");
      assertEquals(error.code, code);
    }
  });
});
