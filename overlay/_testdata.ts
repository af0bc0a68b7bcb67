/**
 * What the tests of this folder share: owners whose signatures cost nothing, and records.
 *
 * @module
 */

import type { Hash } from "./beats.ts";
import type { Signer } from "./own_records.ts";
import { type ProviderRecord, signedBytes, type SignedRecord } from "./record.ts";

/** The public key of test owner `index`. */
export function ownerOf(index: number): string {
  return textOf([0x6f, index], 32);
}

/** A stand-in for Ed25519: a keyed checksum. */
export function fakeSign(owner: string, bytes: Uint8Array): string {
  let sum = 7;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0;
  for (const character of owner) sum = (Math.imul(sum, 31) + character.charCodeAt(0)) >>> 0;
  return textOf([sum >>> 24, sum >>> 16, sum >>> 8, sum], 64);
}

/** Signs for test owner `index`. */
export function fakeSigner(index: number): Signer {
  const owner = ownerOf(index);
  return { owner, sign: (bytes) => fakeSign(owner, bytes) };
}

/** Checks what {@linkcode fakeSign} signed. */
export function fakeVerify(owner: string, signature: string, bytes: Uint8Array): boolean {
  return fakeSign(owner, bytes) === signature;
}

/** A stand-in for SHA-256. */
export const fakeHash: Hash = (bytes) => {
  let state = 1;
  for (const byte of bytes) state = (Math.imul(state, 0x01000193) ^ byte) >>> 0;
  return bytesOf([state >>> 24, state >>> 16, state >>> 8, state], 32);
};

/** A record of owner 1, but for what differs. */
export function recordOf(differs: Partial<ProviderRecord> = {}): SignedRecord {
  const record: ProviderRecord = {
    infoHash: "ab".repeat(20),
    owner: ownerOf(1),
    slot: "",
    address: "client1:6881",
    peerId: "cd".repeat(20),
    left: 0,
    sequence: 1000,
    ttlSeconds: 90,
    anchor: "",
    note: "",
    ...differs,
  };
  return { ...record, signature: fakeSign(record.owner, signedBytes(record)) };
}

/** An info-hash that begins with the byte `index`. */
export function infoHashOf(index: number): string {
  return bytesOf([index], 20).toHex();
}

function bytesOf(seed: readonly number[], length: number): Uint8Array {
  let state = 0x9e3779b9;
  for (const number of seed) state = Math.imul(state ^ (number & 255), 0x85ebca6b) >>> 0;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) >>> 0;
    return state >>> 11;
  });
}

function textOf(seed: readonly number[], length: number): string {
  return bytesOf(seed, length).toBase64({ alphabet: "base64url", omitPadding: true });
}
