import type { StorePlace } from "./store_url.ts";
import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { SWARM_SCRIPT } from "./_redis_script.ts";

/** What a connection is asked; text, or bytes. */
export type RedisArgument = string | Buffer;

/** What is used of the library's clients: commands that are routed by their key, and the end. */
interface Sender {
  send(key: string, args: RedisArgument[]): Promise<unknown>;
  /** What lists the keys of one server, for each. */
  scanners(): Promise<((args: RedisArgument[]) => Promise<unknown>)[]>;
  destroy(): void;
}

const SCRIPT_HASH: string = createHash("sha1").update(SWARM_SCRIPT).digest("hex");

/** Redis has HRANDFIELD since 6.2. */
const PROBE_SCRIPT = `
redis.call('HSET', KEYS[1], 'a', '')
redis.call('PEXPIRE', KEYS[1], 1000)
return redis.call('HRANDFIELD', KEYS[1], 1)
`;

/**
 * A connection to Redis, or connections to a cluster: connected or of no use any more, it never connects
 * again by itself. Commands go out in the order in which they are given, without waiting for one another.
 */
export class RedisConnection {
  readonly #sender: Sender;

  private constructor(sender: Sender) {
    this.#sender = sender;
  }

  /**
   * Connects; `onLost` is told when the one server is lost. Servers of a cluster make their commands fail.
   *
   * **Errors**: what the library, or Redis, says.
   */
  static async open(
    library: RedisLibrary,
    place: StorePlace,
    timeoutMs: number,
    onLost: (reason: string) => void,
  ): Promise<RedisConnection> {
    const sender = place.isCluster
      ? await openCluster(library, place, timeoutMs)
      : await openClient(library, place, timeoutMs, onLost);
    return new RedisConnection(sender);
  }

  /** Runs the script on the keys of a swarm, which is in hex; the reply may be a view of a larger buffer. */
  async run(hash: string, args: readonly RedisArgument[]): Promise<Buffer> {
    const keys = keysOf(hash);
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await this.#sender.send(keys[0]!, ["EVALSHA", SCRIPT_HASH, ...rest]) as Buffer;
    } catch (error) {
      // It was told to forget scripts, or is a cluster's server that was not probed: it knows it from now on.
      if (!messageOf(error).startsWith("NOSCRIPT")) throw error;
      return await this.#sender.send(keys[0]!, ["EVAL", SWARM_SCRIPT, ...rest]) as Buffer;
    }
  }

  /**
   * Whether the server of a swarm runs scripts, takes what they write and knows what they need; it knows the
   * script from then on. An announce that had to bring it would be overtaken by those behind it.
   */
  async probe(hash: string): Promise<void> {
    const key = `enjambre:{${hash}}:probe`;
    await this.#sender.send(key, ["EVAL", PROBE_SCRIPT, "1", key]);
    await this.#sender.send(key, ["SCRIPT", "LOAD", SWARM_SCRIPT]);
  }

  /** The swarms that there are, in hex; so many at most. */
  async swarms(countMax: number): Promise<string[]> {
    const found = new Set<string>();
    for (const scan of await this.#sender.scanners()) {
      let cursor = "0";
      do {
        const args = ["SCAN", cursor, "MATCH", "enjambre:{*}:t", "COUNT", "1000"];
        const [next, keys] = await scan(args) as [Buffer, Buffer[]];
        cursor = String(next);
        for (const key of keys) {
          const hash = /^enjambre:\{([0-9a-f]{40})\}:t$/.exec(String(key))?.[1];
          if (hash !== undefined && found.size < countMax) found.add(hash);
        }
      } while (cursor !== "0" && found.size < countMax);
    }
    return [...found];
  }

  /** Ends it; what is under way fails. */
  close(): void {
    this.#sender.destroy();
  }
}

/** The keys of a swarm, in one slot: leechers, seeds, when each was seen, how many completed, who stopped. */
function keysOf(hash: string): string[] {
  const tagged = `enjambre:{${hash}}:`;
  return [`${tagged}l`, `${tagged}s`, `${tagged}t`, `${tagged}c`, `${tagged}g`];
}

/** The library that speaks to Redis. */
export type RedisLibrary = typeof import("@redis/client");

/** Loads it: only who wants this store waits for that. */
export async function loadRedisLibrary(): Promise<RedisLibrary> {
  return await import("@redis/client");
}

/** What every connection has: no timeouts of the library, for which each command would need a timer. */
function optionsOf({ RESP_TYPES }: RedisLibrary, place: StorePlace, timeoutMs: number) {
  return {
    ...(place.username !== null && { username: place.username }),
    ...(place.password !== null && { password: place.password }),
    RESP: 2 as const,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: "disabled" as const,
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    socket: {
      connectTimeout: timeoutMs,
      reconnectStrategy: false as const,
      ...(place.tls && { tls: true as const }),
    },
  };
}

async function openClient(
  library: RedisLibrary,
  place: StorePlace,
  timeoutMs: number,
  onLost: (reason: string) => void,
): Promise<Sender> {
  const { host, port } = place.nodes[0]!;
  const options = optionsOf(library, place, timeoutMs);
  const client = library.createClient({
    ...options,
    database: place.database,
    socket: { ...options.socket, host, port },
  });
  client.on("error", (error: unknown) => onLost(messageOf(error)));
  try {
    await within(timeoutMs, client.connect());
  } catch (error) {
    client.destroy();
    throw error;
  }
  return {
    send: (_key, args) => client.sendCommand(args),
    scanners: () => Promise.resolve([(args) => client.sendCommand(args)]),
    destroy: () => client.destroy(),
  };
}

async function openCluster(
  library: RedisLibrary,
  place: StorePlace,
  timeoutMs: number,
): Promise<Sender> {
  const { commandOptions, ...defaults } = optionsOf(library, place, timeoutMs);
  const { tls } = place;
  const cluster = library.createCluster({
    rootNodes: place.nodes.map(({ host, port }) => ({
      socket: tls ? { host, port, tls: true as const } : { host, port },
    })),
    defaults,
    commandOptions,
    RESP: 2,
    // A server that does not answer holds up nobody else's connections.
    minimizeConnections: true,
  });
  // A server that is lost makes its commands fail, which is what counts.
  cluster.on("error", () => {});
  try {
    await within(timeoutMs, cluster.connect());
  } catch (error) {
    cluster.destroy();
    throw error;
  }
  return {
    send: (key, args) => cluster.sendCommand(key, false, args),
    scanners: () =>
      Promise.all(cluster.masters.map(async (master) => {
        const client = await cluster.nodeClient(master);
        return (args: RedisArgument[]) => client.sendCommand(args);
      })),
    destroy: () => cluster.destroy(),
  };
}

/** What an error says; those of several connections are one. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/** Resolves as `promise` does, or rejects when its time is over; it goes on then, and nobody hears of it. */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  promise.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
