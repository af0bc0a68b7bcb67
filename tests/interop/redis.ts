import { eventually } from "../kit/deadline.ts";
import { onFreePort } from "../kit/free_port.ts";
import { run, RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";
import { TempFolder } from "../kit/temp_folder.ts";
import { READY_LIMIT_MS } from "./peer_program.ts";

const READY = /Ready to accept connections/;

/** A Redis that keeps its data on disk, as operators have it who want them after a restart. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #args: readonly string[];
  #process: RunningProcess;

  private constructor(port: number, args: readonly string[], process: RunningProcess) {
    this.port = port;
    this.#args = args;
    this.#process = process;
  }

  /** Starts one on a free port of 127.0.0.1; `args` come besides. */
  static async start(scope: Scope, args: readonly string[] = []): Promise<RedisServer> {
    const folder = await scope.use(TempFolder.make());
    const where = ["--bind", "127.0.0.1", "--dir", folder.path];
    const keeping = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    const server = await onFreePort(async (port) => {
      const all = ["--port", String(port), ...where, ...keeping, ...args];
      const process = RunningProcess.start("redis-server", all);
      await process.waitForLine(READY, READY_LIMIT_MS);
      return new RedisServer(port, all, process);
    });
    return await scope.use(server);
  }

  /** Where it is, as `--store` takes it. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Sends a signal to it. */
  signal(signal: Deno.Signal): void {
    this.#process.signal(signal);
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    this.#process.signal("SIGKILL");
    await this.#process.exited;
  }

  /** Starts it again where it was. */
  async startAgain(): Promise<void> {
    this.#process = RunningProcess.start("redis-server", this.#args);
    await this.#process.waitForLine(READY, READY_LIMIT_MS);
  }

  /** Has it do something; the lines of its answer. */
  async command(...words: string[]): Promise<string[]> {
    return await run("redis-cli", ["-p", String(this.port), ...words], READY_LIMIT_MS);
  }

  /** Ends it, also where it is stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.signal("SIGCONT");
    await this.#process.end("SIGKILL");
  }
}

/** Starts three servers and makes a cluster of them. */
export async function startRedisCluster(scope: Scope): Promise<RedisServer[]> {
  const args = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
  // The slots that are left go on when a server is lost, as they are another one's.
  const partial = ["--cluster-require-full-coverage", "no"];
  const servers: RedisServer[] = [];
  for (let i = 0; i < 3; i++) servers.push(await startNode(scope, [...args, ...partial]));
  const places = servers.map(({ port }) => `127.0.0.1:${port}`);
  await run("redis-cli", ["--cluster", "create", ...places, "--cluster-yes"], READY_LIMIT_MS);
  for (const server of servers) {
    await eventually(READY_LIMIT_MS, "the cluster to be whole", async () => {
      const lines = await server.command("CLUSTER", "INFO");
      return lines.some((line) => line.startsWith("cluster_state:ok")) || null;
    });
  }
  return servers;
}

/** Starts one server of a cluster; the port on which servers talk to one another has to be free too. */
async function startNode(scope: Scope, args: readonly string[]): Promise<RedisServer> {
  return await onFreePort((busPort) => (
    RedisServer.start(scope, [...args, "--cluster-port", String(busPort)])
  ));
}
