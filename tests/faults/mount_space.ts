import { REPOSITORY } from "../kit/enjambre.ts";
import { run, RunningProcess } from "../kit/running_process.ts";
import type { Scope } from "../kit/scoped.ts";

/** How long a mount or the like may take. */
const MOUNT_LIMIT_MS = 10_000;

/**
 * Whether this user may mount something in a namespace of their own (root on Linux may); says so where not.
 * `what` is what is not tried then.
 */
export function canMount(what: string): boolean {
  const script =
    'd=$(mktemp -d) && mount -t tmpfs none "$d"; e=$?; umount "$d"; rmdir "$d"; exit $e';
  try {
    const args = ["--mount", "sh", "-c", script];
    if (new Deno.Command("unshare", { args, stderr: "null" }).outputSync().success) return true;
  } catch {
    // No such program.
  }
  console.log(`Cannot mount here (root on Linux can): ${what} is not tried`);
  return false;
}

/**
 * A mount namespace of a test's own. What is mounted in it nobody else sees, and it is gone with the processes in it,
 * however the test ends.
 */
export class MountSpace {
  readonly #holder: RunningProcess;

  private constructor(holder: RunningProcess) {
    this.#holder = holder;
  }

  /** Makes one, to be used until the scope ends. */
  static async open(scope: Scope): Promise<MountSpace> {
    // It ends with its standard input, which is this test's.
    const args = ["--mount", "--propagation", "private", "sh", "-c", "echo open; exec cat"];
    const holder = await scope.use(RunningProcess.start("unshare", args));
    await holder.waitForLine(/^open$/, MOUNT_LIMIT_MS);
    return new MountSpace(holder);
  }

  /** The path by which processes outside reach what is at `path` inside. */
  seen(path: string): string {
    return `/proc/${this.#holder.pid}/root${path}`;
  }

  /** Mounts memory of so many bytes. */
  async mountMemory(path: string, bytes: number): Promise<void> {
    await this.#run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "enjambre-test", path);
  }

  /** Shows a folder at a second path. */
  async mountFolder(folder: string, path: string): Promise<void> {
    await this.#run("mount", "--bind", folder, path);
  }

  /** Lets what is at a path be read only, until it is unmounted; `aside` is an empty folder. */
  async makeReadOnly(path: string, aside: string): Promise<void> {
    // Where nobody writes meanwhile: a mount that is in use does not become read-only.
    await this.mountFolder(path, aside);
    await this.#run("mount", "-o", "remount,bind,ro", aside);
    await this.#run("mount", "--move", aside, path);
  }

  /** Takes the last mount away at once, whatever is open in it: as when a plug is pulled. */
  async unmount(path: string): Promise<void> {
    await this.#run("umount", "--lazy", path);
  }

  /** Starts a program of ours in it. */
  startProgram(program: string, args: readonly string[]): RunningProcess {
    const command = [Deno.execPath(), "run", "-A", "--no-check", `${REPOSITORY}/${program}`];
    return RunningProcess.start("nsenter", [this.#mark, "--", ...command, ...args]);
  }

  async #run(...command: string[]): Promise<void> {
    await run("nsenter", [this.#mark, "--", ...command], MOUNT_LIMIT_MS);
  }

  get #mark(): string {
    return `--mount=/proc/${this.#holder.pid}/ns/mnt`;
  }
}
