/**
 * A thread of a tracker that has several: answers over HTTP on the port that they have together, out of the
 * swarms that they have together.
 *
 * @module
 */
/// <reference lib="deno.worker" />
import { openListener } from "./listen_deno.ts";
import { peerTtlMsOf, TrackerThread } from "./tracker_thread_deno.ts";
import {
  SharedSwarms,
  type WorkerOrder,
  type WorkerReport,
  type WorkerSetup,
} from "./tracker_workers_deno.ts";

let thread: TrackerThread | null = null;

self.onmessage = ({ data }: MessageEvent<WorkerOrder>) => {
  if (data.kind === "begin") begin(data.index, data.setup);
  else if (data.kind === "lists") thread!.core.lists = data.lists;
  else if (data.kind === "replica") thread!.replicaStatus = () => data.status;
  else thread!.http.close().then(() => report({ kind: "closed" }));
};

function begin(index: number, { options, logs, replicates, shared: sent }: WorkerSetup): void {
  try {
    // Only its fields travel.
    const shared = new SharedSwarms(sent);
    const own = {
      ...options,
      onError: (error: unknown) => report({ kind: "error", message: messageOf(error) }),
      ...(logs && { onRequest: (record) => report({ kind: "request", record }) }),
    } satisfies WorkerSetup["options"];
    const nowMs = (): number => shared.nowMs();
    const store = shared.openStore(peerTtlMsOf(options), Math.random);
    thread = new TrackerThread(own, { store, metrics: shared.openMetrics(), index, nowMs });
    if (replicates) {
      thread.core.onAccepted = (announce) => {
        const { infoHash, peerId, address, port, key, hostname, seed, event } = announce;
        const told = { infoHash, peerId, address, port, key, hostname, seed, event };
        report({ kind: "accepted", announce: told });
      };
    }
    thread.http.serve(openListener(options, options.hostname, options.port, true));
    report({ kind: "listening" });
  } catch (error) {
    report({ kind: "failed", message: messageOf(error) });
  }
}

function report(message: WorkerReport): void {
  self.postMessage(message);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
