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
