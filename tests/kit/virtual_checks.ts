/**
 * What must hold of an honest peer after every input: the invariants of the design.
 */
import type { VirtualPeer } from "./virtual_peer.ts";

/** Requests that may be out to one peer (the engine's bound: 8 MiB in flight). */
const REQUESTS_MAX = 500;

/** Requests of a peer that may wait (the engine says so as `reqq`). */
const UPLOADS_MAX = 1024;

/** Dials that may be under way at once. */
const DIALS_MAX = 16;

/** Bytes of messages that may wait for one peer: the engine closes what reads so little, after the input that went beyond. */
const OUTPUT_BYTES_MAX = 5 * 1024 * 1024;

/** Connections of a swarm that says nothing of it. */
const CONNECTIONS_MAX_USUAL = 100;

/** What a limit may be exceeded by, as a share: the accuracy. */
const LIMIT_TOLERANCE = 1.03;

/** Checks what costs nothing; every so many inputs of the swarm, everything. **Errors**: an `Error` that says what is wrong. */
export function checkInput(peer: VirtualPeer): void {
  const { manager, disk } = peer;
  const { stats } = manager;
  const { duplicate, unasked, corrupt, abandoned } = stats.wasted;
  const used = stats.verifiedBytes + duplicate + unasked + corrupt + abandoned;
  require(used <= stats.downloadedBytes, () => `counted ${used} of ${stats.downloadedBytes} bytes`);
  require(stats.verifiedBytes === disk.writtenBytes, () => "verified bytes are not what is stored");
  require(
    stats.downloadedBytes <= peer.arrivedBytes || !peer.swarm.hasOnlyHonest,
    () => `${stats.downloadedBytes} bytes are counted, ${peer.arrivedBytes} came`,
  );
  if (peer.swarm.isAuditDue()) auditPeer(peer);

  function require(isTrue: boolean, what: () => string): void {
    if (!isTrue) throw new Error(`${peer.address.host}: ${what()}`);
  }
}

/** Checks everything about one peer. **Errors**: an `Error` that says what is wrong. */
export function auditPeer(peer: VirtualPeer): void {
  const { manager, swarm, disk } = peer;
  const { nowMs } = swarm.clock;
  try {
    manager.audit(nowMs);
  } catch (error) {
    throw new Error(`${peer.address.host}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  const connectionsMax = swarm.options.connectionsMax ?? CONNECTIONS_MAX_USUAL;
  require(manager.connectionCount <= connectionsMax, `${manager.connectionCount} connections`);
  require(peer.dialling <= DIALS_MAX, `${peer.dialling} dials are under way`);
  require(manager.have.count === disk.stored.count, "it says it has what is not stored");
  let live = 0;
  for (const connection of manager.connections) {
    const { requests, uploads, writer, address } = connection;
    live++;
    require(requests.live <= REQUESTS_MAX, `${requests.live} requests are out to ${address}`);
    require(uploads.count <= UPLOADS_MAX, `${uploads.count} requests of ${address} wait`);
    const { pendingBytes } = writer;
    require(pendingBytes <= OUTPUT_BYTES_MAX, `${pendingBytes} bytes wait for ${address}`);
    require(!connection.amChoking || uploads.count === 0, `${address} is choked and to be served`);
  }
  require(live === peer.ends.length, `${live} connections over ${peer.ends.length} lines`);
  checkUploadLimit(peer);

  function require(isTrue: boolean, what: string): void {
    if (!isTrue) throw new Error(`${peer.address.host}: ${what}`);
  }
}

function checkUploadLimit(peer: VirtualPeer): void {
  const { bucket, swarm, manager } = peer;
  if (bucket === null) return;
  const allowed = bucket.bytesPerSecond * swarm.clock.nowMs / 1000 * LIMIT_TOLERANCE;
  const burst = swarm.geometry.pieceLength + bucket.bytesPerSecond;
  const { uploadedBytes } = manager.stats;
  if (uploadedBytes <= allowed + burst) return;
  throw new Error(`${peer.address.host}: sent ${uploadedBytes} bytes, ${allowed} were allowed`);
}

/** Checks what must hold once a peer has everything and nothing is on its way to it. */
export function checkComplete(peer: VirtualPeer): void {
  const { manager, disk } = peer;
  const { stats } = manager;
  const { duplicate, unasked, corrupt, abandoned } = stats.wasted;
  const bytes = stats.verifiedBytes + disk.failedBytes + duplicate + unasked + corrupt + abandoned;
  if (bytes === stats.downloadedBytes) return;
  throw new Error(
    `${peer.address.host}: ${stats.downloadedBytes} bytes came, ${bytes} are accounted for`,
  );
}
