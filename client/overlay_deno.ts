/**
 * `enjambre overlay` and `enjambre overlay status`.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { OverlayCommand, OverlayStatusCommand } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { CommandFailure, EXIT_DONE, EXIT_INTERRUPTED } from "./failure.ts";
import { startOverlay } from "./overlay_node_deno.ts";
import { askNodes, type NodeReport } from "./overlay_status_deno.ts";
import { overlayFolders } from "./state_folder_deno.ts";
import { formatBytes, formatCount, formatDuration, shown } from "./text.ts";

const logger = getLogger(["enjambre", "client"]);

/** Members that people are shown by name; the objects for programs have all of them. */
const MEMBERS_SHOWN_MAX = 16;

/** Runs a node until interrupted; resolves with the exit code. */
export async function runOverlay(
  command: OverlayCommand,
  context: CommandContext,
): Promise<number> {
  const { reporter, signal } = context;
  const overlay = await startOverlay(command, "--port", context);
  const { node } = overlay;
  const colon = node.address.lastIndexOf(":");
  reporter.event("listening", {
    hostname: node.address.slice(0, colon).replace(/^\[(.*)\]$/, "$1"),
    port: Number(node.address.slice(colon + 1)),
    address: node.address,
  });
  node.subscribe(null, ({ kind, provider: { infoHash, address, left } }) => {
    logger.debug("{infoHash}: {address} {kind}, {left} bytes left", {
      ...{ infoHash, address, kind, left },
    });
  });
  overlay.tell();
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
  await overlay.close();
  reporter.say("Stopped");
  reporter.event("stopped", {});
  return EXIT_INTERRUPTED;
}

/** Shows how the nodes of this machine are; resolves with the exit code. */
export async function runOverlayStatus(
  { address, state }: OverlayStatusCommand,
  { reporter }: CommandContext,
): Promise<number> {
  const folder = overlayFolders(state);
  const running = await askNodes(folder);
  const reports = running.filter((report) => address === undefined || isMeant(address, report));
  if (reports.length === 0) {
    const which = address === undefined ? "" : ` ${address}`;
    const remedy = running.length > 0
      ? `these do: ${running.map((report) => report.address).join(", ")}`
      : "only nodes of this machine and user can be asked; --state DIR says where theirs is kept";
    throw new CommandFailure(
      "not-running",
      `No overlay node${which} runs with its state in ${folder}; ${remedy}`,
    );
  }
  for (const report of reports) {
    const lagMs = report.lagMs === null ? null : Math.round(report.lagMs);
    reporter.event("overlay-status", { ...report, lagMs });
  }
  reporter.result(reports.map(describeNode).join("\n\n"));
  return EXIT_DONE;
}

/** Whether a node is the one that is asked for; from its own machine, it may be called by the port alone. */
function isMeant(asked: string, { address }: NodeReport): boolean {
  const [host, port] = [asked.replace(/:\d+$/, ""), asked.replace(/^.*:/, "")];
  const isHere = /^(localhost|127\.[\d.]+|\[::1\])$/.test(host);
  return asked === address || isHere && address.endsWith(`:${port}`);
}

/** How a node is, for people. */
export function describeNode(report: NodeReport): string {
  const { members, memberList, records, chains, rounds, lagMs, traffic, replicas } = report;
  const names = memberList.slice(0, MEMBERS_SHOWN_MAX).map(({ address, state }) =>
    shown(address) + (state === "alive" ? "" : ` (${state})`)
  );
  const more = memberList.length - names.length;
  if (more > 0) names.push(formatCount(more, "other"));
  const offences = Object.values(report.offences).reduce((sum, count) => sum + count, 0);
  const rows: [name: string, value: string][] = [
    [
      "Members",
      `${members.alive} alive, ${members.suspect} suspect, ${members.hinted} only heard of`,
    ],
    ["", names.join(", ")],
    [
      "Records",
      // Providers that left, and those that a tracker speaks for, have records and are not heard of.
      `${records} (${formatCount(chains, "owner")} alive)` +
      (replicas === null ? ", as on all nodes" : `, each on ${replicas} nodes`) +
      (report.unsigned === 0 ? "" : `; ${report.unsigned} unsigned ones of old nodes`),
    ],
    ["Rounds", String(rounds)],
    ["Lag", lagMs === null ? "not in step yet" : `in step ${formatDuration(lagMs / 1000)} ago`],
    [
      "Traffic",
      `${formatBytes(traffic.bytesSent)} sent, ${formatBytes(traffic.bytesReceived)} received`,
    ],
    ["Refused", `${formatCount(offences, "offence")}, ${formatCount(report.refusedHosts, "host")}`],
  ];
  const lines = rows.filter(([, value]) => value !== "")
    .map(([name, value]) => `  ${name.padEnd(9)}${value}`);
  return [`Overlay node ${report.address}`, ...lines].join("\n");
}
