/**
 * Starts this process's node of the overlay, as the options say.
 *
 * @module
 */
import {
  loadSigner,
  OverlayKeyError,
  OverlayNode,
  type OverlayNodeOptions,
  type Signer,
} from "@enjambre/overlay";
import { formatAddress } from "@enjambre/peerwire";
import type { OverlayOptions } from "./commands.ts";
import type { CommandContext } from "./context.ts";
import { CommandFailure } from "./failure.ts";
import { OVERLAY_PORT_DEFAULT } from "./overlay_args.ts";
import { StatusDoor } from "./overlay_status_deno.ts";
import { OverlayTeller } from "./overlay_teller.ts";
import { overlayFolder } from "./state_folder_deno.ts";
import { shown } from "./text.ts";

/** Time between two looks at whether anybody answers. */
const WATCH_MS = 500;

/** The node of this process. */
export class RunningOverlay {
  /** The node. */
  readonly node: OverlayNode;
  readonly #door: StatusDoor | null;
  readonly #teller: OverlayTeller;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** See {@linkcode startOverlay}. */
  constructor(node: OverlayNode, door: StatusDoor | null, teller: OverlayTeller) {
    this.node = node;
    this.#door = door;
    this.#teller = teller;
  }

  /** Begins to tell when others answer and when nobody does. */
  tell(): void {
    const look = (): void => this.#teller.look(this.node.status().members.alive, performance.now());
    look();
    this.#timer = setInterval(look, WATCH_MS);
  }

  /** Ends the node, where that was not done, and what others of this machine ask how it is. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([this.node.close(), this.#door?.close()]);
  }
}

/**
 * Starts the node and says where it is reached.
 *
 * **Errors**: `CommandFailure` where the port, the secret or the key cannot be had.
 *
 * @param portOption what the option for its port is called
 */
export async function startOverlay(
  options: OverlayOptions,
  portOption: string,
  { reporter }: CommandContext,
): Promise<RunningOverlay> {
  const { bootstrap, isCompatible, cluster, replication, state, port } = options;
  const hostname = options.hostname ?? ownAddress("--hostname");
  const secret = options.secretFile === undefined
    ? null
    : await readSecret("--overlay-secret-file", options.secretFile);
  const teller = new OverlayTeller(bootstrap, reporter);
  const listenOn = async (port: number): Promise<OverlayNode> => {
    const address = formatAddress({ host: hostname, port });
    const signer = port === 0
      ? null
      : await loadKey(overlayFolder(state, address), (message) => reporter.warn(message));
    return listenOnAll({
      hostname,
      port,
      bootstrap,
      compat: isCompatible,
      onUnproven: (from) => teller.turnAway(from),
      ...(signer !== null && { signer }),
      ...(cluster !== undefined && { cluster }),
      ...(replication !== undefined && { replication }),
      ...(secret !== null && { secret }),
    });
  };
  const node = await listenOnFirst(
    "overlay",
    port === undefined ? [OVERLAY_PORT_DEFAULT, 0] : [port],
    portOption,
    listenOn,
  );
  const door = await StatusDoor.open(node, overlayFolder(state, node.address));
  const alone = bootstrap.length > 0 ? "" : "; with no --bootstrap it waits for others to come";
  reporter.say(`Overlay node at ${node.address}${alone}`);
  return new RunningOverlay(node, door, teller);
}

/**
 * Listens on the first port that is not in use.
 *
 * **Errors**: `CommandFailure`, which calls the port as `what` says.
 */
export async function listenOnFirst<T>(
  what: string,
  [port = 0, ...others]: readonly number[],
  portOption: string,
  listenOn: (port: number) => Promise<T> | T,
): Promise<T> {
  try {
    return await listenOn(port);
  } catch (cause) {
    if (cause instanceof Deno.errors.AddrInUse) {
      if (others.length > 0) return listenOnFirst(what, others, portOption, listenOn);
      const message =
        `Cannot listen on ${what} port ${port}: it is in use; choose another with ${portOption}, or 0`;
      throw new CommandFailure("port-in-use", message, undefined, { cause });
    }
    if (cause instanceof Deno.errors.PermissionDenied) {
      const message = `Cannot listen on ${what} port ${port}: permission is missing; ` +
        "ports below 1024 are often reserved";
      throw new CommandFailure("permission", message, undefined, { cause });
    }
    throw cause;
  }
}

/** Listens on IPv6 and IPv4 at once, or on IPv4 alone where there is no IPv6. */
export function listenOnAll(options: OverlayNodeOptions): OverlayNode {
  try {
    return OverlayNode.listen({ ...options, listenOn: "::" });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw error;
    return OverlayNode.listen({ ...options, listenOn: "0.0.0.0" });
  }
}

/** The node's key; null where it cannot be kept: a key for this run does as well, until the next. */
async function loadKey(folder: string, warn: (message: string) => void): Promise<Signer | null> {
  try {
    return await loadSigner(folder);
  } catch (cause) {
    if (cause instanceof OverlayKeyError) {
      const message = `${cause.message}; correct it, or remove it to have another one made`;
      throw new CommandFailure("overlay-key", message, undefined, { cause });
    }
    const reason = shown(cause instanceof Error ? cause.message : String(cause));
    warn(
      `the overlay key cannot be kept in ${folder}: ${reason}; ` +
        "this run has one of its own, --state DIR is another place",
    );
    return null;
  }
}

/**
 * Reads a secret that the members of an overlay share.
 *
 * **Errors**: `CommandFailure` where there is none.
 *
 * @param option what names the file on the command line
 */
export async function readSecret(option: string, path: string): Promise<string> {
  let secret: string;
  try {
    secret = (await Deno.readTextFile(path)).trim();
  } catch (cause) {
    const isMissing = cause instanceof Deno.errors.NotFound;
    const reason = isMissing ? "there is no such file" : "it cannot be read";
    const message = `Cannot use ${option} ${path}: ${reason}`;
    throw new CommandFailure(isMissing ? "not-found" : "io", message, undefined, { cause });
  }
  if (secret !== "") return secret;
  const message = `Cannot use ${option} ${path}: it is empty, a secret is due`;
  throw new CommandFailure("empty", message);
}

/**
 * An address of this machine by which others may reach it.
 *
 * @param option what names it on the command line
 */
export function ownAddress(option: string): string {
  let interfaces: Deno.NetworkInterfaceInfo[];
  try {
    interfaces = Deno.networkInterfaces();
  } catch (cause) {
    const message =
      `Cannot tell by which address others reach this machine; give ${option} HOST, or --allow-sys to Deno`;
    throw new CommandFailure("permission", message, undefined, { cause });
  }
  // Not this machine's own, and not those of one cable only.
  const addresses = interfaces.map(({ address }) => address).filter((address) =>
    !/^(127\.|169\.254\.|::1$|fe80:)/i.test(address)
  );
  return addresses.find((address) => !address.includes(":")) ?? addresses[0] ?? "127.0.0.1";
}
