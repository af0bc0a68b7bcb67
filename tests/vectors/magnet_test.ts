/** Magnet links of other projects' tests: what must come out of each, and what must be written. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  formatMagnet,
  hexOfHash,
  type Magnet,
  MagnetSyntaxError,
  parseMagnet,
} from "@enjambre/metainfo";
import { bytesOfHex, readCases, vectorTest } from "./testdata.ts";

/** Where this project decides otherwise than the case states. */
const DIFFERENCES: Record<string, { fact: string; ours: unknown; why: string }> = {
  "lt-reject-bad-trackers": {
    fact: "trackers",
    ours: ["HTTP://2", "udp://4", "wss://4", "https://5", "http://foo", "ws://6"],
    why: "WebSocket trackers are kept, as the case's note allows",
  },
};

/** The facts of a link in the shape in which the cases state them. */
function factsOf(magnet: Magnet): Record<string, unknown> {
  const written = new URLSearchParams(formatMagnet(magnet).slice("magnet:?".length));
  return {
    ok: true,
    infohash_v1: magnet.infoHash && hexOfHash(magnet.infoHash),
    infohash_v2: magnet.infoHashV2 && hexOfHash(magnet.infoHashV2),
    name: magnet.name,
    trackers: magnet.trackers.flat(),
    tiers: magnet.trackers.flatMap((tier, i) => tier.map(() => i)),
    web_seeds: magnet.webSeeds,
    peers: written.getAll("x.pe"),
    dht_nodes: written.getAll("dht"),
    select_only: magnet.selectOnly,
  };
}

for (const test of readCases("vectors/magnet_parse.json")) {
  vectorTest(`parseMagnet() of ${test.id}`, () => {
    if (!test.expect.ok) {
      const error = assertThrows(() => parseMagnet(test.uri), MagnetSyntaxError);
      assertMatch(error.message, /^Cannot read magnet link: .+ \(at character \d+\)$/);
      assert(error.offset <= test.uri.length);
      return;
    }
    const ours = factsOf(parseMagnet(test.uri));
    const difference = DIFFERENCES[test.id];
    for (const [fact, value] of Object.entries(test.expect)) {
      const due = difference?.fact === fact ? difference.ours : value;
      assertEquals({ [fact]: ours[fact] }, { [fact]: due });
    }
    // What is written of it says the same again.
    assertEquals(factsOf(parseMagnet(formatMagnet(parseMagnet(test.uri)))), ours);
  });
}

/** Links that are written otherwise, with the same meaning. */
const WRITTEN: Record<string, { uri: string; why: string }> = {
  "rq-make-so": {
    uri: "magnet:?xt=urn:btih:a621779b5e3d486e127c3efbca9b6f8d135f52e5&so=1-3",
    why: "BEP 53 has ranges, and they are shorter",
  },
};

for (const test of readCases("vectors/magnet_make.json")) {
  vectorTest(`formatMagnet() of ${test.id}`, () => {
    const { infohash_v1, infohash_v2, dht_nodes, file_priorities, select_only } = test.spec;
    const priorities: number[] = file_priorities ?? [];
    const wanted = priorities.flatMap((priority, i) => priority > 0 ? [i] : []);
    const uri = formatMagnet({
      infoHash: infohash_v1 ? bytesOfHex(infohash_v1) : null,
      infoHashV2: infohash_v2 ? bytesOfHex(infohash_v2) : null,
      nodes: (dht_nodes ?? []).map((node: string) => ({
        host: node.split(":")[0]!,
        port: Number(node.split(":")[1]),
      })),
      selectOnly: select_only ?? (wanted.length < priorities.length ? wanted : null),
    });
    assertEquals(uri, WRITTEN[test.id]?.uri ?? test.uri);
    assertEquals(parseMagnet(uri).selectOnly, parseMagnet(test.uri).selectOnly);
  });
}

vectorTest("magnet links: the tables of decisions name only cases that are there", () => {
  const cases = [
    ...readCases("vectors/magnet_parse.json"),
    ...readCases("vectors/magnet_make.json"),
  ];
  const ids = cases.map((test) => test.id);
  for (const id of Object.keys({ ...DIFFERENCES, ...WRITTEN })) assert(ids.includes(id), id);
});
