/**
 * `enjambre tracker`.
 *
 * @module
 */
import { TrackerServer } from "@enjambre/tracker";
import { getLogger } from "@logtape/logtape";
import type { TrackerCommand } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { EXIT_INTERRUPTED } from "./failure.ts";

const logger = getLogger(["enjambre", "tracker"]);

/** Runs a tracker until interrupted; resolves with the exit code. */
export async function runTracker(
  command: TrackerCommand,
  { reporter, signal }: CommandContext,
): Promise<number> {
  const { hostname, port, intervalSeconds } = command;
  const server = new TrackerServer({
    hostname,
    port,
    ...(intervalSeconds !== undefined && { intervalSeconds }),
    onError: (error) => logger.error("request failed: {error}", { error }),
  });
  const address = await server.listen();
  reporter.event("listening", address);
  reporter.say(
    `Tracker on ${urlOf(address.hostname, address.port)}` +
      (isAny(address.hostname) ? ", on every address of this machine" : ""),
  );
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
  await server.close();
  reporter.say("Stopped");
  reporter.event("stopped", {});
  return EXIT_INTERRUPTED;
}

function isAny(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::";
}

function urlOf(hostname: string, port: number): string {
  const host = isAny(hostname) ? "localhost" : hostname.includes(":") ? `[${hostname}]` : hostname;
  return `http://${host}:${port}/announce`;
}
