/**
 * An announcer and what it orders, for its tests.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { AnnounceAnswer, AnnounceResult } from "./announce.ts";
import { Announcer, type AnnouncerOptions, type TrackerStatus } from "./announcer.ts";

export const A: string = "http://a/announce";
export const B: string = "http://b/announce";
export const C: string = "http://c/announce";
export const D: string = "http://d/announce";

export function answer(fields: Partial<AnnounceAnswer> = {}): AnnounceAnswer {
  return {
    ok: true,
    intervalSeconds: 1800,
    minIntervalSeconds: 60,
    seeders: 1,
    leechers: 2,
    peers: [],
    warning: null,
    trackerId: null,
    ...fields,
  };
}

export const refusal: AnnounceResult = { ok: false, failureReason: "no" };

/** With 0.5 jitter is 1, and the shuffle of two leaves them in order. */
export function make(
  tiers: string[][],
  random: () => number = () => 0.5,
  options: Partial<AnnouncerOptions> = {},
): Announcer {
  return new Announcer(tiers, { ...options, random });
}

/** One that probes, with the same steady chance. */
export function makeProbing(tiers: string[][], options: Partial<AnnouncerOptions> = {}): Announcer {
  return make(tiers, () => 0.5, { ...options, probes: true });
}

/** Takes the order that must be there, as "event url". */
export function take(announcer: Announcer): string {
  const order = announcer.takeAnnounce();
  assert(order !== null, "there is no order");
  assertEquals(announcer.takeAnnounce(), null);
  return `${order.event || "-"} ${order.url}`;
}

/** Takes all orders, as "event url". */
export function takeAll(announcer: Announcer): string[] {
  const orders: string[] = [];
  for (let order; (order = announcer.takeAnnounce()) !== null;) {
    orders.push(`${order.event || "-"} ${order.url}`);
  }
  return orders;
}

/** Takes all probes. */
export function takeProbes(announcer: Announcer): string[] {
  const urls: string[] = [];
  for (let url; (url = announcer.takeProbe()) !== null;) urls.push(url);
  return urls;
}

export function statusOf(announcer: Announcer, url: string): TrackerStatus {
  return announcer.status().find((status) => status.url === url)!;
}
