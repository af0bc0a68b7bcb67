/**
 * A torrent that does not hold what a torrent must.
 *
 * **Units**: `offset` is a byte offset in the input, of the value that the message speaks of (of the
 * dictionary around it where the value is missing).
 */
export class TorrentSyntaxError extends Error {
  /** The error's class name, kept when code is minified. */
  override readonly name: string = "TorrentSyntaxError";
  /** Where in the input the value stands, in bytes from its beginning. */
  readonly offset: number;

  /** Makes an error about the value at `offset`. */
  constructor(message: string, offset: number, options?: ErrorOptions) {
    super(`${message} (at byte ${offset})`, options);
    this.offset = offset;
  }
}

/**
 * A magnet link that names no torrent.
 *
 * **Units**: `offset` counts UTF-16 units from the beginning of the link.
 */
export class MagnetSyntaxError extends Error {
  /** The error's class name, kept when code is minified. */
  override readonly name: string = "MagnetSyntaxError";
  /** Where in the link the parameter stands. */
  readonly offset: number;

  /** Makes an error about the parameter at `offset`. */
  constructor(message: string, offset: number, options?: ErrorOptions) {
    super(`${message} (at character ${offset})`, options);
    this.offset = offset;
  }
}
