import { parseTorrent } from "@enjambre/metainfo";
import { assertSameTree } from "../kit/compare.ts";
import { type Content, writeContent } from "../kit/content.ts";
import { eventually } from "../kit/deadline.ts";
import { onFreePort } from "../kit/free_port.ts";
import { loopback, namespacePair, type Network } from "../kit/network.ts";
import { type Requirement, requireProgram } from "../kit/program.ts";
import { type Scope, scoped } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import type { PeerProgram } from "./peer_program.ts";
import { ourCreate, type TorrentMaker } from "./torrent_maker.ts";
import { announceUrl, scrape, type ScrapeCounts, type TrackerProgram } from "./tracker_program.ts";

/** How long one test may take; some MiB take seconds. */
export const TEST_LIMIT_MS = 60_000;
/** How long a peer may take to announce itself, and a tracker to count it. */
const ANNOUNCE_LIMIT_MS = 20_000;
/** How long a download may take. */
const DOWNLOAD_LIMIT_MS = 45_000;

/** A torrent on a running tracker, with its content on the left side of a network; nobody in the swarm yet. */
export interface Swarm {
  readonly scope: Scope;
  readonly folder: TempFolder;
  readonly network: Network;
  /** The `.torrent` file. */
  readonly torrent: string;
  /** The folder that the content lies in, for the seed. */
  readonly seedFolder: string;
  /** The tracker's counts as they are now. */
  counts(): Promise<ScrapeCounts>;
}

/** What a swarm is made of. */
export interface SwarmSpec {
  content: Content;
  tracker: TrackerProgram;
  maker?: TorrentMaker;
  inNamespaces?: boolean;
}

/** Writes content, makes a torrent of it and starts the tracker that the torrent names. */
export async function setUpSwarm(scope: Scope, spec: SwarmSpec): Promise<Swarm> {
  const folder = await scope.use(TempFolder.make());
  const network = await scope.use(spec.inNamespaces ? namespacePair() : loopback());
  const seedFolder = await folder.folder("seed");
  const content = await writeContent(seedFolder, spec.content);
  const torrent = folder.join("content.torrent");
  return await onFreePort(async (port) => {
    const url = announceUrl(network.left, port);
    await Deno.remove(torrent).catch(() => {});
    await (spec.maker ?? ourCreate).make(content, torrent, url);
    const { swarmHash } = await parseTorrent(await Deno.readFile(torrent));
    await spec.tracker.start(scope, network.left, port, swarmHash);
    const counts = () => scrape(url, network.left, swarmHash);
    return { scope, folder, network, torrent, seedFolder, counts };
  });
}

/** Waits until the tracker counts what is true, and says what it counts where it never does. */
export async function waitForCounts(swarm: Swarm, expected: Partial<ScrapeCounts>): Promise<void> {
  let last: ScrapeCounts | null = null;
  const wanted = JSON.stringify(expected);
  await eventually(ANNOUNCE_LIMIT_MS, `the tracker to count ${wanted}`, async () => {
    const counts = last = await swarm.counts();
    const names = Object.keys(expected) as (keyof ScrapeCounts)[];
    return names.every((name) => counts[name] === expected[name]) || null;
  }).catch((error) => {
    error.message += `; it counts ${JSON.stringify(last)}`;
    throw error;
  });
}

/** One program downloads from another one that it finds through a tracker; the copies are the same. */
export async function transfer(
  scope: Scope,
  seed: PeerProgram,
  leech: PeerProgram,
  spec: SwarmSpec,
): Promise<Swarm> {
  const inNamespaces = seed.needsNamespaces || leech.needsNamespaces;
  const swarm = await setUpSwarm(scope, { ...spec, inNamespaces });
  const { torrent, network, seedFolder } = swarm;
  await seed.seed({ scope, torrent, folder: seedFolder, place: network.left });
  await waitForCounts(swarm, { seeders: 1 });
  const folder = await swarm.folder.folder("leech");
  await leech.download({ scope, torrent, folder, place: network.right }, DOWNLOAD_LIMIT_MS);
  const { name, files } = spec.content;
  await assertSameTree(`${seedFolder}/${name}`, `${folder}/${name}`, {
    mayBeMissing: leech.makesEmptyFiles && (spec.maker ?? ourCreate).namesEmptyFiles
      ? []
      : files.filter(({ bytes }) => bytes === 0).map(({ path }) => path),
  });
  return swarm;
}

/**
 * Transfers each content in a swarm of its own, all at the same time: most of what such a test takes is the
 * programs' own waiting.
 */
export async function transferEach(
  scope: Scope,
  seed: PeerProgram,
  leech: PeerProgram,
  contents: readonly Content[],
  spec: Omit<SwarmSpec, "content">,
): Promise<void> {
  const results = await Promise.allSettled(
    contents.map((content) => transfer(scope, seed, leech, { ...spec, content })),
  );
  for (const [index, result] of results.entries()) {
    if (result.status === "fulfilled") continue;
    const error = result.reason instanceof Error ? result.reason : new Error(`${result.reason}`);
    error.message = `${contents[index]!.name}: ${error.message}`;
    throw error;
  }
}

/** Defines a test that needs programs: skipped, saying so, where one is missing. */
export async function interopTest(
  name: string,
  requires: readonly Requirement[],
  test: (scope: Scope) => Promise<void>,
): Promise<void> {
  const missing: Requirement[] = [];
  for (const program of new Set(requires)) {
    const version = await versionOf(program);
    if (version === null) missing.push(program);
  }
  // With REQUIRE_PEERS=1 it runs, and fails saying what is missing.
  const ignore = missing.length > 0 && Deno.env.get("REQUIRE_PEERS") !== "1";
  Deno.test({
    name: ignore ? `${name} (skipped: no ${missing.join(", no ")})` : name,
    ignore,
    fn: async () => {
      for (const program of missing) await requireProgram(program);
      await scoped(TEST_LIMIT_MS, test);
    },
  });
}

async function versionOf(program: Requirement): Promise<string | null> {
  try {
    return await requireProgram(program);
  } catch {
    return null;
  }
}
