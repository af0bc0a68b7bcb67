/** A peer stays connected and says nothing: its process is stopped, and later goes on. */
import { assert } from "@std/assert";
import { scoped } from "../kit/scoped.ts";
import { describeRecovery, FaultSwarm, MB, recoveryOf, TEST_LIMIT_MS } from "./fault_swarm.ts";

Deno.test({
  name: "SIGSTOP of a peer that owes blocks: the others complete, and after SIGCONT it does too",
  ignore: Deno.build.os === "windows",
  fn: () =>
    scoped(TEST_LIMIT_MS, async (scope) => {
      // Long enough that silence is noticed before the end game asks for everything twice.
      const swarm = await FaultSwarm.start(scope, 20 * MB, 2 * MB);
      // It is slow, so that the others wait for blocks of it whenever it is stopped.
      const silent = await swarm.leech("silent", MB / 2);
      // Nobody can ask a stopped process to end.
      await scope.use({
        [Symbol.asyncDispose]: () => Promise.resolve(silent.process.signal("SIGCONT")),
      });
      const others = [await swarm.leech("other-1", 2 * MB), await swarm.leech("other-2", 2 * MB)];
      await swarm.untilHas(silent, 0.2);
      silent.process.signal("SIGSTOP");
      const outcomes = await Promise.all(others.map((other) => swarm.untilComplete(other)));
      console.log(describeRecovery(outcomes));
      // How soon is not said: the seed believes that the silent one still gives what only that one has.
      const { requeuedBlocks, recoveredBlocks } = recoveryOf(outcomes);
      assert(requeuedBlocks > 0);
      assert(recoveredBlocks > 0);
      silent.process.signal("SIGCONT");
      console.log(describeRecovery([await swarm.untilComplete(silent)]));
    }),
});
