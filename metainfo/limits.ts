/** Bytes of a torrent file that are read: about what {@link PIECES_MAX} hashes of a hybrid torrent take. */
export const TORRENT_BYTES_MAX: number = 128 * 1024 * 1024;

/**
 * Bytes in a piece: a whole piece is held in memory until its hash is known, so a torrent that asks
 * for more would ask for the machine's memory. 16 times the largest piece that programs choose by
 * themselves.
 */
export const PIECE_BYTES_MAX: number = 256 * 1024 * 1024;

/** Pieces in a torrent: 32 TiB in pieces of 16 MiB. Bitfields and the picker's arrays grow with it. */
export const PIECES_MAX: number = 2 * 1024 * 1024;

/** Files in a torrent, padding included: each costs a path in memory and an entry on disk. */
export const FILES_MAX = 250_000;

/** Names in a path: what fits in the 120 folders that the bencode decoder lets a v2 file tree have, and far more than people make. */
export const DEPTH_MAX = 100;

/** Bytes in one name as stated: sixteen times what file systems hold, as the store cuts names and nobody reads more. */
export const NAME_BYTES_MAX = 4096;

/**
 * Bytes of the paths of all files and of each folder above each file, as stated: 1,000 for each of
 * {@link FILES_MAX}. One long name that many paths begin with would take the machine's memory.
 */
export const PATHS_BYTES_MAX: number = 256 * 1024 * 1024;

/** Characters in a URL: what HTTP servers take. */
export const URL_CHARACTERS_MAX = 4096;

/** Trackers, web seeds or nodes that are kept of one list; those beyond are left out. */
export const URLS_MAX = 1000;
