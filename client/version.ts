/** The version of the program; the same as in every `deno.json`. */
export const VERSION = "0.1.0";

/** How the program names itself to peers, to trackers and in the torrents that it makes. */
export const PROGRAM: string = `enjambre ${VERSION}`;
