/** What a tracker that failed once is left alone for; doubled by each further failure. */
export const BACKOFF_MS_MIN = 15_000;
/** What the doubling ends at: half an hour, the usual interval. */
export const BACKOFF_MS_MAX = 1_800_000;

/**
 * Tells how long to leave a tracker alone that failed so often in a row: 15 s after the first time, doubled
 * by each further one up to half an hour, and spread by a quarter to either side, so that the peers of a
 * tracker that died do not all come back at once.
 *
 * @param failures 1 or more
 * @param random 0 up to 1
 */
export function backoffMs(failures: number, random: number): number {
  return Math.min(BACKOFF_MS_MIN * 2 ** (failures - 1) * (0.75 + 0.5 * random), BACKOFF_MS_MAX);
}
