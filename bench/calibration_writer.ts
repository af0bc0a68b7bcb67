/// <reference lib="deno.worker" />
/** The other end of the loopback yardstick: connects, writes so many bytes and hangs up. For `calibration.ts`. */
const WRITE_BYTES = 256 * 1024;

self.onmessage = async ({ data: { port, bytes } }: MessageEvent) => {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const piece = new Uint8Array(WRITE_BYTES);
  for (let sent = 0; sent < bytes;) sent += await connection.write(piece);
};
