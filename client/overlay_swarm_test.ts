/** What a swarm's commands make of the overlay, beside their trackers. */
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import type { Torrent } from "@enjambre/metainfo";
import type { TorrentSnapshot } from "./torrent_options.ts";
import type { SwarmOptions } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { CommandFailure } from "./failure.ts";
import {
  assertReachable,
  progressFields,
  swarmView,
  trackerTiers,
  withinPrivacy,
} from "./swarm_deno.ts";

const overlay = { bootstrap: ["h:1"], isCompatible: false };
const options = { peers: [], trackers: [], announceToAll: false };
const by = {
  tracker: { ...options, discovery: "tracker" },
  overlay: { ...options, discovery: "overlay", overlay },
  both: { ...options, discovery: "both", overlay },
} as const satisfies Record<string, SwarmOptions>;
const open = { name: "x", private: false, trackers: [["http://t/a"]] } as unknown as Torrent;
const secret = { ...open, private: true } as Torrent;

/** A context, and what is warned of there. */
function listenTo(): { context: CommandContext; warnings: string[] } {
  const warnings: string[] = [];
  const reporter = { warn: (text: string) => warnings.push(text) };
  return { context: { reporter } as unknown as CommandContext, warnings };
}

Deno.test("withinPrivacy() keeps private torrents out of the overlay, and says so", () => {
  const { context, warnings } = listenTo();
  for (const mode of Object.values(by)) assertEquals(withinPrivacy(open, mode, context), mode);
  assertEquals(withinPrivacy(secret, by.tracker, context), by.tracker);
  assertEquals(warnings, []);
  assertEquals(withinPrivacy<SwarmOptions>(secret, by.both, context), by.tracker);
  assertEquals(warnings, ["x is private: the overlay is not told of it"]);
  const failure = assertThrows(() => withinPrivacy(secret, by.overlay, context));
  assertInstanceOf(failure, CommandFailure);
  assertEquals(failure.code, "private");
});

Deno.test("the trackers are left out with the overlay alone, and it is enough to find peers", () => {
  assertEquals(trackerTiers(open, by.overlay), []);
  assertEquals(trackerTiers(open, by.both), open.trackers);
  for (const mode of [by.overlay, by.both]) assertReachable([], mode);
  const failure = assertThrows(() => assertReachable([], by.tracker));
  assertInstanceOf(failure, CommandFailure);
  assertEquals(
    failure.message.endsWith("or --bootstrap HOST:PORT for the overlay"),
    true,
  );
});

Deno.test("swarmView() says why nobody comes from the overlay; progress objects tell of it", () => {
  const snapshot = (members: number, seeds: number, trackers: unknown[] = []) =>
    ({
      peers: 0,
      pause: null,
      wasted: { duplicate: 0, unasked: 0, corrupt: 0, abandoned: 0 },
      trackers,
      overlay: { members, seeds, leechers: 0 },
    }) as unknown as TorrentSnapshot;
  const noteOn = (...of: Parameters<typeof snapshot>) =>
    swarmView("Downloading", snapshot(...of), false).note;
  assertEquals(noteOn(0, 0), "no overlay node answers yet");
  assertEquals(noteOn(2, 0), "nobody in the overlay has it yet");
  assertEquals(noteOn(2, 1), undefined);
  // A tracker that knows us may have given peers.
  assertEquals(noteOn(0, 0, [{ knowsUs: true, nextAnnounceMs: 1 }]), undefined);
  assertEquals(swarmView("Seeding", snapshot(2, 0), true).note, undefined);
  const fields = progressFields("downloading", snapshot(2, 1));
  assertEquals(fields["overlay"], { members: 2, seeds: 1, leechers: 0 });
  const without = { ...snapshot(0, 0), overlay: null };
  assertEquals("overlay" in progressFields("downloading", without), false);
});
