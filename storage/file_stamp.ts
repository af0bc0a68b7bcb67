/** The paths of a file, relative to the download folder. */
export interface FileNames {
  /** The path of the whole file. */
  readonly final: string;
  /** The path until it is whole. */
  readonly part: string;
}

/** Under which name a file is there: its own, that of an unfinished file, or none. */
export type FilePlace = "final" | "part" | "none";

/** How a file looks from outside: cheap to find out, and different when somebody changed the file. */
export interface FileStamp {
  /** Under which name it is there. */
  readonly place: FilePlace;
  /** Its size on disk; 0 where it is not there. */
  readonly bytes: number;
  /** When it was changed last, by the file system's clock; 0 where it is not there. */
  readonly modifiedMs: number;
  /** Its number in the file system; null where there is none. */
  readonly inode: number | null;
}

/** The stamp of a file that is not there. */
export const NO_FILE: FileStamp = { place: "none", bytes: 0, modifiedMs: 0, inode: null };

/** A file that is not as the store left it. */
export interface Damage {
  /** The index in `geometry.files`. */
  readonly fileIndex: number;
  /** Where it is, or was. */
  readonly path: string;
  /** What happened: it is gone, became shorter, or another file has its name. */
  readonly kind: "vanished" | "shrank" | "replaced";
  /** From here on its bytes are not what they were. */
  readonly fromOffset: number;
}
