/** Tracker URLs of other projects' tests, as far as a torrent's reader decides about them. */
import { assert, assertEquals } from "@std/assert";
import { encode } from "@enjambre/bencode";
import { parseTorrent, trackerUrl } from "@enjambre/metainfo";
import { readCases, type VectorCase, vectorTest } from "./testdata.ts";

async function tiersOf(announceList: readonly (readonly string[])[]): Promise<string[][]> {
  const info = { name: "t", length: 1, "piece length": 16384, pieces: new Uint8Array(20) };
  const torrent = await parseTorrent(encode({ "announce-list": announceList, info }));
  return torrent.trackers.map((tier) => [...tier]);
}

const KINDS: Record<string, (test: VectorCase) => void | Promise<void>> = {
  "valid-tracker-url": ({ url, valid }) => assertEquals(trackerUrl(url) !== null, valid),
  "parse": ({ url, verdict }) => assertEquals(trackerUrl(url) !== null, verdict === "ok"),
  "duplicates": async ({ urls, expect_kept }) => {
    const tiers = await tiersOf(urls.map((url: string) => [url]));
    assertEquals(tiers.flat().length, expect_kept);
  },
  "tiers": async ({ announce_list, tiers_given, expect_order }) => {
    if (announce_list !== undefined) {
      const urls: string[][] = announce_list.map((tier: string[]) =>
        tier.map((name) => `http://${name}/announce`)
      );
      assertEquals(await tiersOf(urls), urls);
    } else {
      // The case gives trackers one by one with the numbers of their tiers; a torrent has them by tier.
      const tiers: string[][] = [[], [], []];
      tiers_given.forEach((tier: number, i: number) => tiers[tier]!.push(`http://t${i}/announce`));
      const order = expect_order.map((i: number) => `http://t${i}/announce`);
      assertEquals((await tiersOf(tiers)).flat(), order);
    }
  },
};

for (const test of readCases("vectors/tracker_urls.json")) {
  if (test.kind === "announce-to-scrape") continue; // the tracker module's
  vectorTest(`tracker URLs: ${test.id} (${test.kind})`, async () => {
    const check = KINDS[test.kind];
    assert(check !== undefined, `no check for cases of kind ${test.kind}`);
    await check(test);
  });
}

vectorTest("tracker URLs: there are cases of every kind", () => {
  const kinds = readCases("vectors/tracker_urls.json").map((test) => test.kind);
  for (const kind of Object.keys(KINDS)) assert(kinds.includes(kind), kind);
});
