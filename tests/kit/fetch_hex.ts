/**
 * Prints what a URL answers, in hexadecimal: for a test that asks from within a network namespace.
 *
 * `deno run --allow-net tests/kit/fetch_hex.ts URL`
 */
if (import.meta.main) {
  const response = await fetch(Deno.args[0]!);
  console.log(new Uint8Array(await response.arrayBuffer()).toHex());
}
