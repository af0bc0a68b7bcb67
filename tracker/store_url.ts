import { formatHostPort, isHost } from "./address.ts";

/** The port of Redis where a URL names none. */
const PORT_DEFAULT = 6379;

/** Where a store in Redis is. */
export interface StorePlace {
  /** One server, or some of a cluster's. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** Whether it is a cluster: more than one server is named. */
  readonly isCluster: boolean;
  /** Whether TLS is spoken. */
  readonly tls: boolean;
  /** Who we are; `null` for the default user. */
  readonly username: string | null;
  /** What proves it; `null` for nothing. */
  readonly password: string | null;
  /** Which of the server's databases; a cluster has only 0. */
  readonly database: number;
}

/**
 * Reads `redis://[[USER]:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/DATABASE]`, or `rediss://` for TLS. More than
 * one host makes it a cluster, also where they are the same: so a cluster with one name for all is written.
 *
 * **Errors**: `RangeError`, whose message does not hold the password.
 */
export function parseStoreUrl(text: string): StorePlace {
  const match = /^(rediss?):\/\/(?:([^@/]*)@)?([^@/]+)(?:\/([^/]*))?$/.exec(text);
  if (match === null) {
    throw wrong(
      "it should be redis://HOST:PORT, or rediss:// for TLS; / and @ in a password as %2F, %40",
    );
  }
  const [, scheme, user, hosts = "", path = ""] = match;
  const nodes = hosts.split(",").map(readNode);
  const database = path === "" ? 0 : Number(path);
  if (!/^\d*$/.test(path) || database > 65_535) {
    throw wrong(`database is "${path}", should be a number`);
  }
  const isCluster = nodes.length > 1;
  if (isCluster && database !== 0) {
    throw wrong(`database is ${database}, should be 0: a cluster has no other`);
  }
  const colonAt = user?.indexOf(":") ?? -1;
  if (user !== undefined && colonAt < 0) {
    throw wrong("what stands before @ should be USER:PASSWORD, or :PASSWORD");
  }
  return {
    nodes,
    isCluster,
    tls: scheme === "rediss",
    username: user === undefined || colonAt === 0 ? null : unescaped(user.slice(0, colonAt)),
    password: user === undefined ? null : unescaped(user.slice(colonAt + 1)),
    database,
  };
}

/** Names a store, without what is secret. */
export function formatStorePlace({ nodes, tls, database }: StorePlace): string {
  const hosts = nodes.map(({ host, port }) => formatHostPort(host, port)).join(",");
  return `${tls ? "rediss" : "redis"}://${hosts}${database === 0 ? "" : `/${database}`}`;
}

function readNode(text: string): { host: string; port: number } {
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const port = portText === undefined ? PORT_DEFAULT : Number(portText);
  if (!isHost(host) || port < 1 || port > 65_535) {
    throw wrong(`"${text}" should be HOST:PORT, with a port of 1 to 65535`);
  }
  return { host, port };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong("a % in user or password should be %25");
  }
}

function wrong(reason: string): RangeError {
  return new RangeError(`Cannot read store URL: ${reason}`);
}
