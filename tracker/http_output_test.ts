import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { HttpOutput, intervalsPart } from "./http_output.ts";
import { writeAnnounceResponse } from "./response.ts";
import { SwarmAnswer } from "./swarm_store.ts";

const textOfAll = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

Deno.test("HttpOutput writes compact answers as writeAnnounceResponse() does", () => {
  const numbers = fc.record({
    seeders: fc.nat(2 ** 21),
    leechers: fc.nat(2 ** 21),
    completed: fc.nat(),
    count4: fc.nat(200),
    count6: fc.nat(200),
    connection: fc.constantFrom("", "close"),
    warning: fc.constantFrom(null, "a little late"),
  });
  const output = new HttpOutput();
  fc.assert(fc.property(numbers, ({ connection, ...fields }) => {
    const answer = Object.assign(new SwarmAnswer(), fields);
    answer.compact4.forEach((_, i) => answer.compact4[i] = i * 7);
    answer.compact6.forEach((_, i) => answer.compact6[i] = i * 11);
    output.clear();
    output.respondCompact(answer, intervalsPart(1800, 60), connection);
    const body = writeAnnounceResponse({
      intervalSeconds: 1800,
      minIntervalSeconds: 60,
      seeders: fields.seeders,
      leechers: fields.leechers,
      completed: fields.completed,
      warning: fields.warning,
      peers: {
        compact4: answer.compact4.subarray(0, 6 * fields.count4),
        compact6: answer.compact6.subarray(0, 18 * fields.count6),
      },
    });
    assertEquals(
      textOfAll(output.bytes.subarray(0, output.length)),
      `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n` +
        (connection === "" ? "" : "Connection: close\r\n") + `\r\n${textOfAll(body)}`,
    );
  }));
});

Deno.test("HttpOutput writes responses one behind the other, and grows", () => {
  const output = new HttpOutput();
  const body = new Uint8Array(20_000).fill(0x61);
  output.respond("200 OK", "text/plain", body, true, "");
  output.respond("405 Method Not Allowed", "text/plain", body, false, "close", "Allow: GET\r\n");
  assertEquals(
    textOfAll(output.bytes.subarray(0, output.length)),
    `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20000\r\n\r\n${
      "a".repeat(20_000)
    }` +
      "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\nContent-Length: 20000\r\n" +
      "Connection: close\r\nAllow: GET\r\n\r\n",
  );
});
