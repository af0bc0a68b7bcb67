import type { CommandContext } from "./context.ts";

/** Counts bytes that are worked through, and tells how far it is. */
export interface WorkMeter {
  /** So many more bytes are done. */
  add(bytes: number): void;
  /** All is done. */
  end(): void;
}

/** Time before a rate is worth showing. */
const RATE_AFTER_MS = 300;
/** Pieces come in bursts of thousands: looking at the clock for each would be the greater part of the work. */
const REPORT_MS = 50;

/** Begins to tell of work on `totalBytes`. */
export function workMeter(
  doing: string,
  totalBytes: number,
  { reporter }: CommandContext,
  showsObjects: boolean,
): WorkMeter {
  const startMs = performance.now();
  let doneBytes = 0;
  let reportedMs = -Infinity;
  const report = (isLast: boolean): void => {
    const nowMs = performance.now();
    if (!isLast && nowMs - reportedMs < REPORT_MS) return;
    reportedMs = nowMs;
    const elapsedMs = nowMs - startMs;
    const rate = elapsedMs < RATE_AFTER_MS ? undefined : doneBytes / elapsedMs * 1000;
    const secondsLeft = rate === undefined || rate === 0 ? null : (totalBytes - doneBytes) / rate;
    const view = {
      doing,
      doneBytes,
      totalBytes,
      hasEnd: true,
      secondsLeft,
      ...(rate !== undefined && { downBytesPerSecond: rate }),
    };
    const fields = showsObjects
      ? {
        phase: doing.toLowerCase(),
        doneBytes,
        totalBytes,
        bytesPerSecond: rate ?? null,
        secondsLeft,
      }
      : null;
    reporter.progress(view, fields, isLast);
  };
  report(false);
  return {
    add(bytes) {
      doneBytes += bytes;
      report(false);
    },
    end() {
      report(true);
      reporter.endProgress();
    },
  };
}
