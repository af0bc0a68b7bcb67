/**
 * `enjambre tracker`.
 *
 * @module
 */
import {
  type AccessLists,
  AccessSyntaxError,
  type ListenAddress,
  MetricsServer,
  parseInfoHashes,
  parsePasskeys,
  type SwarmStore,
  TrackerServer,
  type TrackerServerOptions,
} from "@enjambre/tracker";
import { getLogger } from "@logtape/logtape";
import { TrackerCluster } from "./cluster_deno.ts";
import type { TrackerCommand } from "./commands.ts";
import { openStore } from "./store_deno.ts";
import type { CommandContext } from "./context.ts";
import { CommandFailure, EXIT_INTERRUPTED, usageFailure } from "./failure.ts";
import type { Reporter } from "./reporter.ts";
import { shown } from "./text.ts";

const logger = getLogger(["enjambre", "tracker"]);
const accessLogger = getLogger(["enjambre", "access"]);

/** Runs a tracker until interrupted; resolves with the exit code. */
export async function runTracker(
  command: TrackerCommand,
  { reporter, signal }: CommandContext,
): Promise<number> {
  const [lists, tls] = [await readLists(command), await readTls(command)];
  await using cluster = await TrackerCluster.start(command, reporter);
  await using store = await openStore(command, reporter);
  const server = makeServer(command, lists, tls, { cluster, store }, reporter);
  const address = await server.listen();
  const metrics = new MetricsServer(server);
  const stopReading = readOnSignal(command, server, reporter);
  try {
    let metricsAddress: { hostname: string; port: number } | null = null;
    if (command.metricsPort !== undefined) {
      metricsAddress = await metrics.listen(command.hostname, command.metricsPort);
    }
    reporter.event("listening", {
      ...address,
      metricsPort: metricsAddress?.port ?? null,
      ...(cluster !== null && { cluster: cluster.address }),
    });
    for (const line of linesOn(command, address, metricsAddress?.port ?? null)) reporter.say(line);
    if (cluster !== null) {
      reporter.say(`Other trackers of its cluster reach it at ${cluster.address}`);
    }
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve());
    });
  } finally {
    stopReading();
    await Promise.all([server.close(), metrics.close()]);
  }
  reporter.say("Stopped");
  reporter.event("stopped", {});
  return EXIT_INTERRUPTED;
}

function makeServer(
  command: TrackerCommand,
  lists: AccessLists,
  tls: TrackerServerOptions["tls"] | null,
  { cluster, store }: { cluster: TrackerCluster | null; store: SwarmStore | null },
  reporter: Reporter,
): TrackerServer {
  const { hostname, port, workers, fullScrape, trustedProxies, trustedClients } = command;
  const { intervalSeconds, requestsPerSecond, connectionsMax, connectionsPerAddress } = command;
  let { udpPort } = command;
  if (udpPort !== null && typeof Deno.listenDatagram !== "function") {
    reporter.say("Without UDP: for that, Deno has to be started with --unstable-net");
    udpPort = null;
  }
  try {
    return new TrackerServer({
      hostname,
      port,
      workers,
      fullScrape,
      trustedProxies,
      trustedClients,
      lists,
      ...(udpPort !== null && { udpPort }),
      ...(cluster !== null && { replica: cluster }),
      ...(store !== null && { store }),
      ...(tls !== null && tls !== undefined && { tls }),
      ...(intervalSeconds !== undefined && { intervalSeconds }),
      ...(requestsPerSecond !== undefined && { requestsPerSecond }),
      ...(connectionsMax !== undefined && { connectionsMax }),
      ...(connectionsPerAddress !== undefined && { connectionsPerAddress }),
      ...(command.accessLog && {
        onRequest: (record) => accessLogger.info("{*}", { ...record }),
      }),
      onError: (error) => logger.error("request failed: {error}", { error }),
    });
  } catch (error) {
    if (error instanceof RangeError) throw usageFailure(error.message);
    throw error;
  }
}

/** Reads the lists that the command line names. */
async function readLists(command: TrackerCommand): Promise<AccessLists> {
  const { allowFile, denyFile, passkeysFile } = command;
  return {
    ...(allowFile !== undefined && { allowed: await readList(allowFile, parseInfoHashes) }),
    ...(denyFile !== undefined && { denied: await readList(denyFile, parseInfoHashes) }),
    ...(passkeysFile !== undefined && { passkeys: await readList(passkeysFile, parsePasskeys) }),
  };
}

async function readList(path: string, parse: (text: string) => Set<string>): Promise<Set<string>> {
  try {
    return parse(await Deno.readTextFile(path));
  } catch (error) {
    if (!(error instanceof AccessSyntaxError)) throw error;
    throw new CommandFailure("list-syntax", `${shown(path)}: ${error.message}`);
  }
}

async function readTls(command: TrackerCommand): Promise<TrackerServerOptions["tls"] | null> {
  const { certFile, keyFile } = command;
  if (certFile === undefined || keyFile === undefined) return null;
  return { cert: await Deno.readTextFile(certFile), key: await Deno.readTextFile(keyFile) };
}

/** Reads the lists again on SIGHUP; lists that cannot be read leave those in force that were. */
function readOnSignal(
  command: TrackerCommand,
  server: TrackerServer,
  reporter: Reporter,
): () => void {
  if (Deno.build.os === "windows") return () => {};
  const handle = async (): Promise<void> => {
    try {
      const lists = await readLists(command);
      server.setLists(lists);
      const counts = Object.entries(lists).map(([name, list]) => `${list.size} ${name}`);
      reporter.say(`Lists read again${counts.length > 0 ? `: ${counts.join(", ")}` : ""}`);
      reporter.event("reloaded", {});
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      logger.error("lists are as before: {message}", { message });
      reporter.event("not-reloaded", { message });
    }
  };
  Deno.addSignalListener("SIGHUP", handle);
  return () => Deno.removeSignalListener("SIGHUP", handle);
}

/** What a person is told at the start. */
function linesOn(
  { hostname, passkeysFile, certFile, workers }: TrackerCommand,
  address: ListenAddress,
  metricsPort: number | null,
): string[] {
  const isAny = address.hostname === "0.0.0.0" || address.hostname === "::";
  const host = isAny ? "localhost" : hostname.includes(":") ? `[${hostname}]` : hostname;
  const scheme = certFile === undefined ? "http" : "https";
  const passkey = passkeysFile === undefined ? "" : "/PASSKEY";
  const lines = [
    `Tracker on ${scheme}://${host}:${address.port}${passkey}/announce` +
    (isAny ? ", on every address of this machine" : "") +
    (workers > 1 ? `, in ${workers} threads` : ""),
  ];
  if (address.udpPort !== null) {
    lines.push(`        and udp://${host}:${address.udpPort}${passkey}/announce`);
  }
  lines.push(`        and ${scheme}://${host}:${address.port}/stats`);
  if (metricsPort !== null) lines.push(`Metrics at http://${host}:${metricsPort}/metrics`);
  return lines;
}
