import { RateMeter } from "@enjambre/peerwire";

/** Window of the rates that a person is shown: steady enough to read, quick enough to believe. */
const SHOWN_RATE_WINDOW_SECONDS = 5;

/** Window of the rate that the time left is told by: damped, so that it does not jump. */
const STEADY_RATE_WINDOW_SECONDS = 30;

/** How fast a torrent goes, as a person is told. **Units**: bytes per second. */
export class ShownRates {
  readonly #down = new RateMeter(SHOWN_RATE_WINDOW_SECONDS);
  readonly #up = new RateMeter(SHOWN_RATE_WINDOW_SECONDS);
  readonly #steadyDown = new RateMeter(STEADY_RATE_WINDOW_SECONDS);
  #counted = { downloadedBytes: 0, uploadedBytes: 0 };

  /** Takes in how much came and went by now, in all. */
  count(downloadedBytes: number, uploadedBytes: number, nowMs: number): void {
    this.#down.add(downloadedBytes - this.#counted.downloadedBytes, nowMs);
    this.#steadyDown.add(downloadedBytes - this.#counted.downloadedBytes, nowMs);
    this.#up.add(uploadedBytes - this.#counted.uploadedBytes, nowMs);
    this.#counted = { downloadedBytes, uploadedBytes };
  }

  /** Payload coming in, over the last seconds. */
  down(nowMs: number): number {
    return this.#down.bytesPerSecond(nowMs);
  }

  /** Payload going out, over the last seconds. */
  up(nowMs: number): number {
    return this.#up.bytesPerSecond(nowMs);
  }

  /** Payload coming in, over the last half minute. */
  steadyDown(nowMs: number): number {
    return this.#steadyDown.bytesPerSecond(nowMs);
  }
}
