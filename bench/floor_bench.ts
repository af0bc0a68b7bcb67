/**
 * The physical floor of a download: what a block costs at least, stage by stage, in CPU time of this process, kernel
 * included.
 *
 * `deno run -A bench/floor_bench.ts [--mebibytes 512] [--rounds 3]`
 *
 * *Receive* reads from a loopback socket into 256 KiB, out of a process that does nothing but send. *Copy* is from there
 * into piece buffers in shared memory. *SHA-1* is `node:crypto` over whole pieces. *Write* is one write per piece into a
 * new file in `/dev/shm` where there is one. The least of the rounds counts: what others take of the machine only adds.
 */
import { createHash } from "node:crypto";
import process from "node:process";
import { parseArgs } from "@std/cli/parse-args";

const MIB = 1024 * 1024;
const BLOCK_BYTES = 16 * 1024;
const RECEIVE_BYTES = 256 * 1024;
/** Pieces that go round: those that a download has between the first block and the disk. */
const PIECES = 8;
const SENDER = `
const socket = await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0]) });
const bytes = new Uint8Array(1024 * 1024);
for (let left = Number(Deno.args[1]); left > 0; left -= bytes.length) {
  for (let sent = 0; sent < bytes.length;) sent += await socket.write(bytes.subarray(sent));
}
socket.close();
`;

async function main(): Promise<void> {
  const flags = parseArgs(Deno.args, {
    string: ["mebibytes", "rounds"],
    default: { mebibytes: "512", rounds: "3" },
  });
  const count = Number(flags.mebibytes);
  const pieces = Array.from(
    { length: PIECES },
    () => new Uint8Array(new SharedArrayBuffer(MIB)).fill(1),
  );
  const pieceAt = (i: number): Uint8Array => pieces[i % PIECES]!;
  const stages: readonly (readonly [string, () => Promise<number> | number])[] = [
    ["receive", () => receive(count)],
    ["copy", () => measured(() => copyAll(count, pieceAt))],
    ["SHA-1", () => measured(() => hashAll(count, pieceAt))],
    ["write", () => writeAll(count, pieceAt)],
  ];
  let sum = 0;
  for (const [name, run] of stages) {
    let leastMs = Infinity;
    for (let round = 0; round < Number(flags.rounds); round++) {
      leastMs = Math.min(leastMs, await run());
    }
    sum += leastMs;
    print(name, leastMs, count);
  }
  print("all", sum, count);
}

/** CPU milliseconds of this process in `act`. */
function measured(act: () => void): number {
  const before = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function receive(count: number): Promise<number> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const program = "data:text/javascript," + encodeURIComponent(SENDER);
  await using _sender = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, String(port), String(count * MIB)],
    stdin: "null",
  }).spawn();
  using socket = await listener.accept();
  const buffer = new Uint8Array(RECEIVE_BYTES);
  const before = process.cpuUsage();
  while (await socket.read(buffer) !== null) { /* thrown away */ }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function copyAll(count: number, pieceAt: (i: number) => Uint8Array): void {
  const source = new Uint8Array(RECEIVE_BYTES);
  for (let i = 0; i < count; i++) {
    for (let begin = 0; begin < MIB; begin += BLOCK_BYTES) {
      const start = begin % RECEIVE_BYTES;
      pieceAt(i).set(source.subarray(start, start + BLOCK_BYTES), begin);
    }
  }
}

function hashAll(count: number, pieceAt: (i: number) => Uint8Array): void {
  for (let i = 0; i < count; i++) createHash("sha1").update(pieceAt(i)).digest();
}

async function writeAll(count: number, pieceAt: (i: number) => Uint8Array): Promise<number> {
  const dir = await Deno.stat("/dev/shm").then(() => "/dev/shm", () => undefined);
  const path = await Deno.makeTempFile({ ...(dir !== undefined && { dir }) });
  try {
    using file = await Deno.open(path, { write: true });
    return measured(() => {
      for (let i = 0; i < count; i++) file.writeSync(pieceAt(i));
    });
  } finally {
    await Deno.remove(path);
  }
}

function print(name: string, ms: number, count: number): void {
  const perBlock = ms * 1000 / (count * MIB / BLOCK_BYTES);
  const perGib = ms / count * 1024 / 1000;
  console.log(
    `${name.padEnd(8)} ${perBlock.toFixed(2).padStart(6)} µs/block  ${perGib.toFixed(2)} s/GiB`,
  );
}

if (import.meta.main) await main();
