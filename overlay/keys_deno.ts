/**
 * A node's key, and the checking of others' signatures: Ed25519 by `node:crypto`.
 *
 * Synchronous on purpose. Measured on the 2-core build machine: `node:crypto` verifies in 26 µs on the spot;
 * `crypto.subtle` takes 115 µs one after the other, and 28 µs many at a time on all cores, while the event
 * loop stood still for 78 ms. What a node verifies at a time is bounded by its intake.
 *
 * @module
 */

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { Buffer } from "node:buffer";
import { toBase64 } from "./base64.ts";
import type { Signer } from "./own_records.ts";

/** The file of a node's key in its state folder. */
const KEY_FILE = "overlay_key.pem";
/** Public keys that are kept ready: making one costs 10 µs. */
const KEYS_READY_MAX = 2000;

/** A node's key cannot be used. */
export class OverlayKeyError extends Error {
  override readonly name = "OverlayKeyError";
  /** The file. */
  readonly path: string;

  /** Names the file and what is wrong with it. */
  constructor(message: string, path: string, cause?: unknown) {
    super(message, { cause });
    this.path = path;
  }
}

/** Makes a key that lasts as long as the process. */
export function makeSigner(): Signer {
  return signerOf(generateKeyPairSync("ed25519").privateKey);
}

/**
 * Takes the key out of a state folder; makes folder and key the first time, for this user alone.
 *
 * **Errors**: {@linkcode OverlayKeyError} where the file is no key, or others may read it.
 */
export async function loadSigner(folder: string): Promise<Signer> {
  const path = `${folder}/${KEY_FILE}`;
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    const key = generateKeyPairSync("ed25519").privateKey;
    const pem = key.export({ format: "pem", type: "pkcs8" }) as string;
    await Deno.writeTextFile(path, pem, { createNew: true, mode: 0o600 });
    return signerOf(key);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const { mode } = await Deno.stat(path);
  if (mode !== null && Deno.build.os !== "windows" && (mode & 0o077) !== 0) {
    const found = (mode & 0o777).toString(8);
    throw new OverlayKeyError(`Cannot use ${path}: its mode is ${found}, it should be 600`, path);
  }
  try {
    return signerOf(createPrivateKey(await Deno.readTextFile(path)));
  } catch (error) {
    throw new OverlayKeyError(`Cannot use ${path}: it holds no Ed25519 key`, path, error);
  }
}

function signerOf(key: KeyObject): Signer {
  const { x } = createPublicKey(key as unknown as Parameters<typeof createPublicKey>[0])
    .export({ format: "jwk" });
  if (key.asymmetricKeyType !== "ed25519" || x === undefined) throw new TypeError("Not Ed25519");
  return { owner: x, sign: (bytes) => toBase64(sign(null, bytes, key)) };
}

/** Makes what checks signatures; it keeps the keys that it saw last ready. */
export function makeVerify(): (owner: string, signature: string, bytes: Uint8Array) => boolean {
  const ready = new Map<string, KeyObject>();
  return (owner, signature, bytes) => {
    try {
      let key = ready.get(owner);
      if (key === undefined) {
        key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: owner }, format: "jwk" });
        if (ready.size >= KEYS_READY_MAX) ready.delete(ready.keys().next().value!);
        ready.set(owner, key);
      }
      return verify(null, bytes, key, Buffer.from(signature, "base64url"));
    } catch {
      // Not every 32 bytes are a key.
      return false;
    }
  };
}

/** SHA-256. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
