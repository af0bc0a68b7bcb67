/**
 * Enjambre, whole: one namespace for each of its modules, which can also be imported on their own.
 *
 * @example
 * ```ts
 * import { bencode } from "@enjambre/enjambre";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bencode.decode(new TextEncoder().encode("i42e")), 42);
 * ```
 *
 * @module
 */

export * as bencode from "@enjambre/bencode";
export * as client from "@enjambre/client";
export * as metainfo from "@enjambre/metainfo";
export * as overlay from "@enjambre/overlay";
export * as peerwire from "@enjambre/peerwire";
export * as storage from "@enjambre/storage";
export * as tracker from "@enjambre/tracker";
