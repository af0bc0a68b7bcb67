/**
 * A tracker's store on another machine: opened as the command line says, and told of when it goes and comes.
 *
 * @module
 */
import { peerTtlMsOf, RedisSwarmStore } from "@enjambre/tracker";
import type { TrackerCommand } from "./commands.ts";
import type { Reporter } from "./reporter.ts";

/** Opens the store that a command names; `null` where the swarms are in memory. */
export async function openStore(
  { storeUrl, intervalSeconds }: TrackerCommand,
  reporter: Reporter,
): Promise<RedisSwarmStore | null> {
  if (storeUrl === undefined) return null;
  const store = await RedisSwarmStore.open(storeUrl, {
    peerTtlMs: peerTtlMsOf(intervalSeconds === undefined ? {} : { intervalSeconds }),
    onHealth: ({ place, isUp, reason, keptAnnounces }) => {
      reporter.event("store", { isUp, place, reason, keptAnnounces });
      // Of a cluster, one server may be out of reach.
      const what = place.includes(",") ? `all or a part of ${place}` : place;
      if (isUp) reporter.say(`${place} is in reach again`);
      else {
        reporter.warn(
          `${what} is out of reach (${reason}); announces are answered from a cache, and it goes on trying`,
        );
      }
    },
  });
  if (store.health.isUp) reporter.say(`Swarms are in ${store.health.place}`);
  return store;
}
