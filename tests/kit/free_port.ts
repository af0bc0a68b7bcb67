import { DeadlineError } from "./deadline.ts";

/** How often a program is started again on another port. */
const ATTEMPTS_MAX = 4;

/**
 * A TCP port of 127.0.0.1 that is free at this moment.
 *
 * Somebody else may take it before it is used: what starts a program on it does so in `onFreePort`. Programs
 * that can listen on port 0 and say what they got need neither.
 */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** Gives `start` a free port, and another one where it fails, four times at most. */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await start(freePort());
    } catch (error) {
      // A port in use is an error at once; what takes too long takes too long on any port.
      if (attempt === ATTEMPTS_MAX || error instanceof DeadlineError) throw error;
    }
  }
}
