/** A leecher is killed in the middle, as by an unplugged machine. */
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

Deno.test("kill -9 of one of several leechers in the middle: the others complete", () =>
  scoped(TEST_LIMIT_MS, async (scope) => {
    const swarm = await FaultSwarm.start(scope, 16 * MB, 2 * MB);
    // It is slow, so that the others wait for blocks of it whenever it dies.
    const doomed = await swarm.leech("doomed", MB / 2);
    const others = [await swarm.leech("other-1", 2 * MB), await swarm.leech("other-2", 2 * MB)];
    await swarm.untilHas(doomed, 0.4);
    await doomed.process.end("SIGKILL");
    const outcomes = await Promise.all(others.map((other) => swarm.untilComplete(other)));
    console.log(describeRecovery(outcomes));
    const { requeuedBlocks, recoveredBlocks, maxMs } = recoveryOf(outcomes);
    assert(requeuedBlocks > 0);
    assert(recoveredBlocks > 0);
    assert(maxMs < AT_ONCE_MS, `blocks waited ${maxMs} ms`);
  }));
