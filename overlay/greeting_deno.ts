/**
 * How two nodes meet: a greeting each, and with a shared secret the proof that both have it.
 *
 *     dialler                                          listener
 *     {"overlay":1,"cluster":…,"address":…,"nonce":…} ->
 *                       <- {"overlay":1,"cluster":…,"address":…,"nonce":…}
 *     {"proof":…} ->                        (with a secret)
 *                                              <- {"proof":…}
 *
 * With a secret, both proofs and the two keys of the connection are HMAC-SHA-256 over both greetings, and
 * every later line begins with 22 characters: an HMAC-SHA-256, cut to 16 bytes, over the line and its number.
 * So nobody without the secret can join, change, insert, repeat, reorder or drop a line. Whoever listens
 * on the way can read them: what is said here is said to all members anyway.
 *
 * @module
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { fromBase64, toBase64 } from "./base64.ts";
import { OVERLAY_VERSION } from "./messages.ts";
import { isAddress } from "./record.ts";

/** Characters of the code before each line. */
const CODE_CHARACTERS = 22;

/** Which end of a connection. */
export type Role = "dialler" | "listener";

/** What a node says first. */
export interface Greeting {
  /** The version of the messages. */
  readonly overlay: number;
  /** Which overlay: others are strangers. */
  readonly cluster: string;
  /** Where the node listens. */
  readonly address: string;
  /** 16 random bytes. */
  readonly nonce: string;
}

/** Makes our greeting. */
export function makeGreeting(cluster: string, address: string): Greeting {
  const nonce = toBase64(crypto.getRandomValues(new Uint8Array(16)));
  return { overlay: OVERLAY_VERSION, cluster, address, nonce };
}

/** Reads a greeting; `null` for another thing, another version or another overlay. */
export function readGreeting(line: string, cluster: string): Greeting | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const { overlay, cluster: theirs, address, nonce } = value as Record<string, unknown>;
  if (overlay !== OVERLAY_VERSION || theirs !== cluster || !isAddress(address)) return null;
  if (typeof nonce !== "string" || fromBase64(nonce)?.length !== 16) return null;
  return { overlay, cluster, address, nonce };
}

/** One end's side of a connection that a shared secret keys. */
export class Keyed {
  readonly #secret: string;
  readonly #role: Role;
  readonly #transcript: string;
  readonly #sending: Code;
  readonly #receiving: Code;

  /** @param ours our greeting as it was sent, without the line's end; `theirs` as it came */
  constructor(secret: string, role: Role, ours: string, theirs: string) {
    this.#secret = secret;
    this.#role = role;
    this.#transcript = role === "dialler" ? `${ours}\n${theirs}` : `${theirs}\n${ours}`;
    this.#sending = new Code(this.#derive("key", role));
    this.#receiving = new Code(this.#derive("key", otherThan(role)));
  }

  /** Our proof, without the line's end. */
  get proof(): string {
    return JSON.stringify({ proof: toBase64(this.#derive("proof", this.#role)) });
  }

  /** Whether this is the other end's proof. */
  isProof(line: string): boolean {
    const expected = JSON.stringify({
      proof: toBase64(this.#derive("proof", otherThan(this.#role))),
    });
    return isSame(line, expected);
  }

  /** Puts the code before a line that is sent. */
  seal(line: string): string {
    return this.#sending.of(line) + line;
  }

  /** Takes the code off a line that came; `null` where it is wrong. */
  open(sealed: string): string | null {
    const line = sealed.slice(CODE_CHARACTERS);
    return isSame(sealed.slice(0, CODE_CHARACTERS), this.#receiving.of(line)) ? line : null;
  }

  #derive(purpose: string, role: Role): Uint8Array {
    return createHmac("sha256", this.#secret)
      .update(`enjambre/overlay/1\n${purpose}\n${role}\n${this.#transcript}`).digest();
  }
}

/** The codes of one direction. */
class Code {
  readonly #key: Uint8Array;
  #number = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  of(line: string): string {
    const code = createHmac("sha256", this.#key).update(`${this.#number++}\n${line}`).digest();
    return toBase64(code.subarray(0, 16));
  }
}

function otherThan(role: Role): Role {
  return role === "dialler" ? "listener" : "dialler";
}

function isSame(one: string, other: string): boolean {
  const encoder = new TextEncoder();
  const [left, right] = [encoder.encode(one), encoder.encode(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
