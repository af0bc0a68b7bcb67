/** Thrown for input that is not bencode, or not within the limits; {@link offset} says where. */
export class BencodeSyntaxError extends Error {
  /** `"BencodeSyntaxError"`. */
  override readonly name: string = "BencodeSyntaxError";

  /** The byte at which decoding stopped, from 0 up to and including the length of the input. */
  readonly offset: number;

  /** Makes the error; `message` states what was found and what should be there. */
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}
