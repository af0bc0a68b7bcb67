/**
 * Tells when the overlay is reached, and when it is not.
 *
 * @module
 */
import type { Reporter } from "./reporter.ts";

/** How long a node may take to find others before that is told: a connection that is refused is tried again. */
const FINDING_MS = 5000;

/** Tells once when nobody answers, and once when somebody does. */
export class OverlayTeller {
  readonly #bootstrap: readonly string[];
  readonly #reporter: Reporter;
  /** Those of them that hung up during the greeting. */
  readonly #refusers = new Set<string>();
  #startMs: number | null = null;
  #told: "nothing" | "failed" | "joined" = "nothing";

  /** @param bootstrap where the node was told to begin */
  constructor(bootstrap: readonly string[], reporter: Reporter) {
    this.#bootstrap = bootstrap;
    this.#reporter = reporter;
  }

  /** Takes note that this one hung up on us, or does not share our secret. */
  turnAway(from: string): void {
    if (this.#bootstrap.includes(from)) this.#refusers.add(from);
  }

  /** Looks at how many nodes answer. */
  look(members: number, nowMs: number): void {
    this.#startMs ??= nowMs;
    if (members > 0) this.#tellJoined(members);
    // Without a place to begin, it is others who come.
    else if (this.#bootstrap.length > 0) {
      if (this.#told === "joined") this.#tellFailed("no overlay node answers any more", "");
      else if (nowMs >= this.#startMs + FINDING_MS) this.#tellNotFound();
    }
  }

  #tellNotFound(): void {
    if (this.#refusers.size > 0) {
      return this.#tellFailed(
        `${[...this.#refusers].join(", ")} closed the connection during the greeting`,
        "its overlay has another secret, or only one side has one: " +
          "give both the same --overlay-secret-file; ",
      );
    }
    this.#tellFailed(
      `no bootstrap node of the overlay answers (${this.#bootstrap.join(", ")})`,
      "one has to run, be reached by that name, and have the same cluster name and secret; ",
    );
  }

  #tellJoined(members: number): void {
    if (this.#told === "joined") return;
    if (this.#told === "failed") this.#reporter.say("The overlay answers");
    this.#told = "joined";
    this.#reporter.event("overlay-joined", { members });
  }

  #tellFailed(message: string, remedy: string): void {
    if (this.#told === "failed") return;
    this.#told = "failed";
    this.#reporter.event("overlay-failed", { message });
    this.#reporter.warn(`${message}; ${remedy}it goes on trying`);
  }
}
