/**
 * Tells which other trackers of the group are there, and who is turned away.
 *
 * @module
 */
import type { Reporter } from "./reporter.ts";
import { formatCount } from "./text.ts";

/** How long the others may take to answer before that is told. */
const FINDING_MS = 5000;
/** Hosts that are told of as turned away, each once. */
const TURNED_AWAY_MAX = 100;

/** Tells what changes. */
export class ClusterTeller {
  readonly #others: readonly string[];
  readonly #reporter: Reporter;
  readonly #startMs: number;
  readonly #turnedAway = new Set<string>();
  #told: number | null = null;

  /** @param others the addresses that we were given */
  constructor(others: readonly string[], reporter: Reporter, nowMs: number) {
    this.#others = others;
    this.#reporter = reporter;
    this.#startMs = nowMs;
  }

  /** Looks at how many other trackers answer. */
  look(members: number, nowMs: number): void {
    if (members === (this.#told ?? 0)) {
      // Without others to go to, it is they who come.
      const isLate = this.#told === null && nowMs >= this.#startMs + FINDING_MS;
      if (isLate && this.#others.length > 0) {
        this.#tellAlone("no other tracker of the cluster answers");
      }
      return;
    }
    if (members === 0) return this.#tellAlone("no other tracker of the cluster answers any more");
    this.#told = members;
    this.#reporter.event("cluster", { members });
    this.#reporter.say(`Cluster: ${formatCount(members, "other tracker")}`);
  }

  /** Tells, once, of one that has another secret. */
  turnAway(from: string): void {
    if (this.#turnedAway.has(from) || this.#turnedAway.size >= TURNED_AWAY_MAX) return;
    this.#turnedAway.add(from);
    this.#reporter.event("cluster-refused", { from });
    this.#reporter.warn(
      `${from} does not share the secret of the cluster, and is told nothing; ` +
        "the file of --cluster-secret-file has to be the same everywhere",
    );
  }

  #tellAlone(message: string): void {
    this.#told = 0;
    this.#reporter.event("cluster", { members: 0 });
    const others = this.#others.length === 0 ? "" : ` (${this.#others.join(", ")})`;
    this.#reporter.warn(`${message}${others}; it goes on trying`);
  }
}
