import { assert, assertEquals } from "@std/assert";
import {
  HTTP_HEADERS_MAX,
  HTTP_LINE_BYTES_MAX,
  HTTP_MORE,
  HTTP_REQUEST,
  HTTP_REQUEST_BYTES_MAX,
  HttpRequestReader,
  textOf,
} from "./http_request.ts";

/** What a reader tells of a request, or the status of an error. */
type Told = Record<string, unknown> | number;

/** Feeds bytes in parts, and tells what comes out. */
function readParts(parts: readonly Uint8Array[]): Told[] {
  const reader = new HttpRequestReader(true);
  const told: Told[] = [];
  for (const part of parts) {
    for (let at = 0; at < part.length;) {
      const room = reader.room();
      assert(room.length > 0);
      const count = Math.min(room.length, part.length - at);
      room.set(part.subarray(at, at + count));
      reader.take(count);
      at += count;
      for (;;) {
        const status = reader.next();
        if (status === HTTP_MORE) break;
        if (status !== HTTP_REQUEST) return [...told, status];
        told.push({
          method: reader.isGet ? "GET" : reader.isHead ? "HEAD" : "other",
          path: textOf(reader.bytes, reader.pathStart, reader.pathEnd),
          query: textOf(reader.bytes, reader.queryStart, reader.queryEnd),
          isKept: reader.isKept,
          takesHtml: reader.takesHtml,
          forwardedFor: reader.forwardedFor,
        });
      }
    }
  }
  return told;
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (unit) => unit.charCodeAt(0));
}

function read(text: string): Told[] {
  return readParts([bytesOf(text)]);
}

const plain = {
  method: "GET",
  path: "/",
  query: "",
  isKept: true,
  takesHtml: false,
  forwardedFor: "",
};

const MANY =
  "\r\nGET /announce?info_hash=%01&x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n" +
  "x-FORWARDED-for:192.0.2.2 , ::1\r\nAccept: text/html,*/*\r\n\r\n" +
  "HEAD http://tracker.example/scrape HTTP/1.0\nConnection: Keep-Alive\n\n" +
  "GET / HTTP/1.0\r\n\r\nPOST /a?b?c HTTP/1.1\r\nContent-Length: 0\r\nCONNECTION: close\r\n\r\n";

const MANY_TOLD: Told[] = [
  {
    ...plain,
    path: "/announce",
    query: "info_hash=%01&x",
    takesHtml: true,
    forwardedFor: "192.0.2.1,192.0.2.2 , ::1",
  },
  { ...plain, method: "HEAD", path: "/scrape" },
  { ...plain, isKept: false },
  { ...plain, method: "other", path: "/a", query: "b?c", isKept: false },
];

Deno.test("HttpRequestReader reads requests one after the other", () => {
  assertEquals(read(MANY), MANY_TOLD);
});

Deno.test("HttpRequestReader reads the same at every split point", () => {
  const bytes = bytesOf(MANY);
  for (let at = 0; at <= bytes.length; at++) {
    assertEquals(readParts([bytes.subarray(0, at), bytes.subarray(at)]), MANY_TOLD, `${at}`);
  }
  assertEquals(readParts(Array.from(bytes, (byte) => new Uint8Array([byte]))), MANY_TOLD);
});

Deno.test("HttpRequestReader refuses what is no request, and bodies", () => {
  const table: [text: string, status: number][] = [
    ["GET\r\n\r\n", 400],
    ["GET /\r\n\r\n", 400],
    ["GET / HTTP/2.0\r\n\r\n", 400],
    ["GET / HTTP/1.2\r\n\r\n", 400],
    [" / HTTP/1.1\r\n\r\n", 400],
    ["GET a HTTP/1.1\r\n\r\n", 400],
    ["GET http://host HTTP/1.1\r\n\r\n", 400],
    ["GET / /x HTTP/1.1\r\n\r\n", 400],
    ["GET /?a b HTTP/1.1\r\n\r\n", 400],
    ["GET /\x01 HTTP/1.1\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nConnection\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400],
    ["GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 413],
    ["GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 413],
    [`\x16\x03\x01\x02\x00\x01${"\x00\xff".repeat(40)}\n\n`, 400],
  ];
  for (const [text, status] of table) assertEquals(read(text), [status], JSON.stringify(text));
});

Deno.test("HttpRequestReader bounds lines, headers and requests", () => {
  const line = (bytes: number) => `GET /${"a".repeat(bytes - 14)} HTTP/1.1`;
  assertEquals(read(`${line(HTTP_LINE_BYTES_MAX - 2)}\r\n\r\n`).map((each) => typeof each), [
    "object",
  ]);
  assertEquals(read(`${line(HTTP_LINE_BYTES_MAX + 1)}\r\n\r\n`), [414]);
  assertEquals(read(`GET /${"a".repeat(HTTP_LINE_BYTES_MAX)}`), [414]);
  const headers = (count: number) => `GET / HTTP/1.1\r\n${"a: b\r\n".repeat(count)}\r\n`;
  assertEquals(read(headers(HTTP_HEADERS_MAX)), [plain]);
  assertEquals(read(headers(HTTP_HEADERS_MAX + 1)), [431]);
  const long = `GET / HTTP/1.1\r\n${`x-y: ${"a".repeat(1000)}\r\n`.repeat(20)}`;
  assertEquals(read(long), [431]);
  assert(long.length > HTTP_REQUEST_BYTES_MAX);
});

Deno.test("HttpRequestReader keeps its room bounded, however much comes", () => {
  const reader = new HttpRequestReader();
  assertEquals(reader.room().length, 1024);
  const request = bytesOf("GET /announce HTTP/1.1\r\n\r\n".repeat(3000));
  let count = 0;
  for (let at = 0; at < request.length;) {
    const room = reader.room();
    assert(room.length <= HTTP_REQUEST_BYTES_MAX);
    const part = request.subarray(at, at + room.length);
    room.set(part);
    reader.take(part.length);
    at += part.length;
    while (reader.next() === HTTP_REQUEST) count++;
  }
  assertEquals([count, reader.isWithin], [3000, false]);
});
