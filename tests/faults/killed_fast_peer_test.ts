/** The one that everybody gets most from is killed, and the seed has to give the rest. */
import { assert } from "@std/assert";
import { scoped } from "../kit/scoped.ts";
import {
  AT_ONCE_MS,
  describeRecovery,
  FaultSwarm,
  MB,
  recoveryOf,
  TEST_LIMIT_MS,
} from "./fault_swarm.ts";

Deno.test("kill -9 of the seed's only fast peer: the slow ones complete by the seed", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const swarm = await FaultSwarm.start(scope, 12 * MB, 2 * MB);
    const fast = await swarm.leech("fast", 2 * MB);
    // It has much that the others lack, so that it owes them blocks whenever it dies.
    await swarm.untilHas(fast, 0.4);
    const slow = [await swarm.leech("slow-1", MB / 10), await swarm.leech("slow-2", MB / 10)];
    await swarm.untilHas(slow[0]!, 0.2);
    await fast.process.end("SIGKILL");
    const outcomes = await Promise.all(slow.map((each) => swarm.untilComplete(each)));
    console.log(describeRecovery(outcomes));
    const { requeuedBlocks, recoveredBlocks, maxMs } = recoveryOf(outcomes);
    assert(requeuedBlocks > 0);
    assert(recoveredBlocks > 0);
    assert(maxMs < AT_ONCE_MS, `blocks waited ${maxMs} ms`);
  }));
