import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { VirtualClock } from "./virtual_clock.ts";
import { Segment } from "./virtual_content.ts";
import { type LineEnd, type LineHost, makeLine } from "./virtual_line.ts";
import { SharedLink } from "./virtual_link.ts";

const DELAY_MS = 50;

/** A host that notes what it hears of. */
class Listener implements LineHost {
  readonly uplink: SharedLink;
  readonly downlink: SharedLink;
  isReading = true;
  /** Whether it closes when the other side does, as our driver. */
  closesToo = true;
  readonly heard: string[] = [];
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock, upBytesPerSecond: number, downBytesPerSecond: number) {
    this.#clock = clock;
    this.uplink = new SharedLink(clock, upBytesPerSecond);
    this.downlink = new SharedLink(clock, downBytesPerSecond);
  }

  handleSegment(_end: LineEnd, segment: Segment): void {
    this.heard.push(`${segment.bytes?.[0] ?? "?"} at ${Math.round(this.#clock.nowMs)}`);
  }

  handleRoom(): void {
    this.heard.push(`room at ${Math.round(this.#clock.nowMs)}`);
  }

  handleEnd(end: LineEnd): void {
    this.heard.push(`end at ${Math.round(this.#clock.nowMs)}`);
    if (this.closesToo) end.close();
  }
}

/** A segment of 1,000 bytes that can be told from others. */
function segment(name: number, wireBytes = 1000): Segment {
  return new Segment(wireBytes, Uint8Array.of(name));
}

function lineOf(clock: VirtualClock, one: LineHost, other: LineHost): [LineEnd, LineEnd] {
  return makeLine(clock, one, other, { delayMs: DELAY_MS, jitterMs: 0, random: () => 0 });
}

function runAll(clock: VirtualClock): void {
  while (clock.step());
}

Deno.test("a line takes what the uplink, the delay and the downlink take, in order", () => {
  const clock = new VirtualClock();
  const near = new Listener(clock, 10_000, Infinity);
  const far = new Listener(clock, Infinity, 20_000);
  const [end] = lineOf(clock, near, far);
  end.send(segment(1));
  end.send(segment(2));
  runAll(clock);
  assertEquals(far.heard, ["1 at 200", "2 at 300"]); // 100 each, 50, 50
});

Deno.test("an uplink is shared by the segment", () => {
  const clock = new VirtualClock();
  const near = new Listener(clock, 10_000, Infinity);
  const far = new Listener(clock, Infinity, Infinity);
  const [one] = lineOf(clock, near, far);
  const [other] = lineOf(clock, near, far);
  for (const name of [1, 2, 3]) one.send(segment(name));
  other.send(segment(9));
  runAll(clock);
  assertEquals(far.heard, ["1 at 150", "9 at 250", "2 at 350", "3 at 450"]);
});

Deno.test("a downlink that is slower than what comes is shared, and fills", () => {
  const clock = new VirtualClock();
  const far = new Listener(clock, Infinity, 1e6);
  const ends = [1, 2].map(() => lineOf(clock, new Listener(clock, 1e6, Infinity), far)[0]);
  for (let i = 0; i < 500; i++) for (const end of ends) end.send(segment(1));
  runAll(clock);
  assertEquals(far.heard.length, 1000);
  assertAlmostEquals(clock.nowMs, 1000, 150); // 1 MB at 1 MB/s
});

Deno.test("closing is heard behind what is on its way, and drops what is not sent", () => {
  const clock = new VirtualClock();
  const near = new Listener(clock, 10_000, Infinity);
  const far = new Listener(clock, Infinity, Infinity);
  const [end] = lineOf(clock, near, far);
  end.send(segment(1));
  end.send(segment(2));
  clock.after(120, () => end.close());
  runAll(clock);
  assertEquals(far.heard, ["1 at 150", "end at 170"]);
  assertEquals(near.heard, []);
});

Deno.test("one side can finish and still hear", () => {
  const clock = new VirtualClock();
  const near = new Listener(clock, 10_000, Infinity);
  const far = new Listener(clock, 10_000, Infinity);
  far.closesToo = false;
  const [end, farEnd] = lineOf(clock, near, far);
  farEnd.send(segment(7));
  end.finish();
  runAll(clock);
  assertEquals(near.heard[0], "7 at 150");
  assertEquals(far.heard, ["end at 50"]);
});

Deno.test("a reset loses what is on its way and is heard on both sides", () => {
  const clock = new VirtualClock();
  const near = new Listener(clock, 10_000, Infinity);
  const far = new Listener(clock, Infinity, Infinity);
  const [end] = lineOf(clock, near, far);
  end.send(segment(1));
  clock.after(120, () => end.reset());
  runAll(clock);
  assertEquals([near.heard, far.heard], [["end at 170"], ["end at 170"]]);
});

Deno.test("a frozen line gives everything when it thaws", () => {
  const clock = new VirtualClock();
  const near = new Listener(clock, 10_000, Infinity);
  const far = new Listener(clock, Infinity, Infinity);
  const [end] = lineOf(clock, near, far);
  end.freeze();
  end.send(segment(1));
  end.close();
  clock.after(1000, () => end.thaw());
  runAll(clock);
  assertEquals(far.heard, ["end at 1000"]); // the close came before the segment had left
});

Deno.test("a host that does not read stops who sends to it, and hears everything later", () => {
  const clock = new VirtualClock();
  const near = new Listener(clock, 1e6, Infinity);
  const far = new Listener(clock, Infinity, Infinity);
  far.isReading = false;
  const [end, farEnd] = lineOf(clock, near, far);
  let hasRoom = true;
  for (let i = 0; i < 300; i++) hasRoom = end.send(segment(1));
  assert(!hasRoom);
  runAll(clock);
  assertEquals([far.heard, near.heard], [[], []]);
  far.isReading = true;
  farEnd.resume();
  runAll(clock);
  assertEquals(far.heard.length, 300);
  assertEquals(near.heard.length, 1); // room
});
