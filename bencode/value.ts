/**
 * What a bencoded value is in a program.
 *
 * **Shape**: an integer is a `number` while it is at most 2^53 - 1 in size, else a `bigint`; a byte
 * string is a `Uint8Array`; a list is an array; a dictionary is a {@link BencodeDict}.
 */
export type BencodeValue = number | bigint | Uint8Array | BencodeValue[] | BencodeDict;

/**
 * A decoded dictionary, its entries in the order of the input.
 *
 * **Shape**: keys are byte strings with one UTF-16 unit (0 to 255) per byte, so that any key is kept
 * without loss and an ASCII key reads as itself; see `keyOfBytes` and `bytesOfKey`. It is a `Map`, and
 * so `"__proto__"` is a key like another.
 */
export type BencodeDict = Map<string, BencodeValue>;

/**
 * What `encode` takes; any {@link BencodeValue} is among it.
 *
 * **Shape**: a `string` is written as its UTF-8 bytes. The keys of a `Map` are byte strings, as in
 * {@link BencodeDict}; those of a plain object are text and written as UTF-8, and an entry whose value
 * is `undefined` is left out.
 */
export type Encodable =
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Encodable[]
  | ReadonlyMap<string, Encodable>
  | { readonly [key: string]: Encodable | undefined };
