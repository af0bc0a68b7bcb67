import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";
import { type ProgressView, renderLive, renderPlain } from "./progress.ts";

const downloading: ProgressView = {
  doing: "Downloading",
  doneBytes: 28_900_000,
  totalBytes: 64_000_000,
  hasEnd: true,
  downBytesPerSecond: 3_210_000,
  upBytesPerSecond: 120_000,
  peers: 3,
  secondsLeft: 80,
};
const waiting: ProgressView = {
  doing: "Downloading",
  doneBytes: 0,
  totalBytes: 64_000_000,
  hasEnd: true,
  peers: 0,
  note: "next try in 12 s, tracker t.example: connection refused",
};
const seeding: ProgressView = {
  doing: "Seeding",
  doneBytes: 1,
  totalBytes: 1,
  hasEnd: false,
  peers: 1,
  upBytesPerSecond: 120_000,
  uploadedBytes: 5_000_000,
};

const table: readonly (readonly [ProgressView, number, string])[] = [
  [
    downloading,
    120,
    "Downloading  █████████████░░░░░░░░░░░░░░░░░  45.1 %  3.21 MB/s  3 peers  1 m 20 s left  up 120 kB/s",
  ],
  [
    downloading,
    80,
    "Downloading  ████░░░░░░  45.1 %  3.21 MB/s  3 peers  1 m 20 s left  up 120 kB/s",
  ],
  [downloading, 40, "████░░░░░░░  45.1 %  3.21 MB/s  3 peers"],
  [downloading, 36, "45.1 %  3.21 MB/s  3 peers"],
  [downloading, 10, "45.1 %"],
  [
    waiting,
    120,
    "Downloading  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   0.0 %  0 peers  next try in 12 s, tracker t.example: connection refused",
  ],
  [waiting, 80, " 0.0 %  0 peers  next try in 12 s, tracker t.example: connection refused"],
  [waiting, 40, " 0.0 %  0 peers  next try in 12 s, tra…"],
  [seeding, 80, "Seeding  1 peer  up 120 kB/s  5.00 MB sent"],
  [seeding, 40, "1 peer  up 120 kB/s  5.00 MB sent"],
];

for (const [view, columns, line] of table) {
  Deno.test(`renderLive() fits ${columns} columns: ${line.trim()}`, () => {
    assertEquals(renderLive(view, columns, false).trim(), line.trim());
  });
}

Deno.test("renderLive() is shorter than the terminal at every width", () => {
  for (const view of [downloading, waiting, seeding]) {
    for (let columns = 2; columns < 200; columns++) {
      assert(unicodeWidth(renderLive(view, columns, false)) < columns, `${columns} columns`);
    }
  }
});

Deno.test("renderLive() differs with colour in nothing but escape sequences", () => {
  const coloured = renderLive(downloading, 120, true);
  assertStringIncludes(coloured, "\x1b[32m");
  // deno-lint-ignore no-control-regex -- escape sequences are what it is about
  assertEquals(coloured.replace(/\x1b\[\d+m/g, ""), renderLive(downloading, 120, false));
});

Deno.test("renderPlain() says what is being done", () => {
  assertEquals(
    renderPlain(downloading),
    "Downloading: 45.1 %, 28.9 MB of 64.0 MB, 3.21 MB/s, 3 peers, 1 m 20 s left, up 120 kB/s",
  );
  assertEquals(
    renderPlain(waiting),
    "Downloading: 0.0 %, 0 bytes of 64.0 MB, 0 peers; next try in 12 s, tracker t.example: connection refused",
  );
  assertEquals(renderPlain(seeding), "Seeding: 1 peer, up 120 kB/s, 5.00 MB sent");
});
