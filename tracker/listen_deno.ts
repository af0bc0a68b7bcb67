import { formatHostPort } from "./address.ts";
import { TrackerError } from "./errors.ts";
import type { TrackerServerOptions } from "./tracker_server_options.ts";

/** How many ports the system may propose until one is free for TCP and UDP. */
const PORT_TRIES_MAX = 20;

/** What listens on TCP, and what does on UDP. */
export interface Sockets {
  /** For HTTP or HTTPS. */
  readonly listener: Deno.TcpListener | Deno.TlsListener;
  /** For UDP; `null` without. */
  readonly socket: Deno.DatagramConn | null;
}

/**
 * Opens the sockets, on one port where that is wanted: if the system may choose it, one that is free twice.
 *
 * **Errors**: `TrackerError`.
 */
export function openSockets(options: TrackerServerOptions): Sockets {
  const { hostname = "0.0.0.0", port = 0, udpPort, workers = 1 } = options;
  for (let tries = 1;; tries++) {
    const listener = openListener(options, hostname, port, workers > 1);
    const tcpPort = (listener.addr as Deno.NetAddr).port;
    if (udpPort === undefined) return { listener, socket: null };
    try {
      return { listener, socket: openDatagrams(hostname, udpPort === "same" ? tcpPort : udpPort) };
    } catch (error) {
      listener.close();
      const isTaken = error instanceof TrackerError && error.code === "port-in-use";
      if (udpPort !== "same" || port !== 0 || !isTaken || tries === PORT_TRIES_MAX) throw error;
    }
  }
}

/** Opens the listener of HTTP or HTTPS; `reusePort` where several threads have one each. */
export function openListener(
  { tls }: Pick<TrackerServerOptions, "tls">,
  hostname: string,
  port: number,
  reusePort: boolean,
): Deno.TcpListener | Deno.TlsListener {
  try {
    const where = { hostname, port, ...(reusePort && { reusePort }) };
    return tls === undefined ? Deno.listen(where) : Deno.listenTls({ ...where, ...tls });
  } catch (cause) {
    throw listenError(hostname, port, cause);
  }
}

function openDatagrams(hostname: string, port: number): Deno.DatagramConn {
  if (typeof Deno.listenDatagram !== "function") {
    const message = "Cannot listen for UDP: Deno has to be started with --unstable-net";
    throw new TrackerError("listen", formatHostPort(hostname, port), message);
  }
  try {
    return Deno.listenDatagram({ transport: "udp", hostname, port });
  } catch (cause) {
    throw listenError(hostname, port, cause);
  }
}

/** Makes an error that says why nothing listens, and what to do. */
export function listenError(hostname: string, port: number, cause: unknown): TrackerError {
  const address = formatHostPort(hostname, port);
  if (cause instanceof Deno.errors.AddrInUse) {
    const message = `Cannot listen on ${address}: the port is in use; choose another port, or 0`;
    return new TrackerError("port-in-use", address, message, { cause });
  }
  const reason = reasonOf(cause);
  return new TrackerError("listen", address, `Cannot listen on ${address}: ${reason}`, { cause });
}

function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return "it is no address of this machine; 0.0.0.0 is every one of them";
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return "permission is missing; ports below 1024 are often reserved";
  }
  if (/lookup/i.test(text)) {
    return "the host name cannot be resolved; 0.0.0.0 is every address of this machine";
  }
  return text;
}
