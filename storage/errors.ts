/** What kind of trouble the world made; see the table in this module's README. */
export type StorageErrorCode =
  | "changed"
  | "closed"
  | "disk-full"
  | "exists"
  | "io"
  | "is-directory"
  | "locked"
  | "name-too-long"
  | "not-directory"
  | "not-found"
  | "not-stored"
  | "outside"
  | "permission"
  | "read-only"
  | "too-large"
  | "too-many-open-files"
  | "truncated"
  | "volume-missing";

/**
 * The files are not as they should be, or the system would not do what was asked.
 *
 * `code` is for programs, `message` for people (one line, with a remedy where there is one), `path` is
 * the file or folder that it is about (empty where it is about none), `cause` what the system said.
 */
export class StorageError extends Error {
  /** What kind of trouble it is. */
  readonly code: StorageErrorCode;
  /** The file or folder that it is about; empty where there is none. */
  readonly path: string;

  /** Makes an error; `cause` is what the system said. */
  constructor(code: StorageErrorCode, path: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StorageError";
    this.code = code;
    this.path = path;
  }
}

/** What a person reads after "Cannot write PATH: ". */
const reasons: Record<StorageErrorCode, string> = {
  "changed": "something else changed it meanwhile; try again when nothing writes to it",
  "closed": "the store is closed",
  "disk-full": "the disk is full; free some room",
  "exists": "something of that name is there already; move it away, then go on",
  "io": "the disk reports an error",
  "is-directory":
    "something that is no file (a folder, a device) is where a file should be; move it away, then go on",
  "locked": "another process is at work on this torrent there; end that one first",
  "name-too-long": "its name is too long for this file system",
  "not-directory": "a file is where a folder should be; move it away, then go on",
  "not-found": "it is not there, or no longer",
  "not-stored": "it is not stored yet",
  "outside": "a link leads out of the download folder; remove the link, or choose another folder",
  "permission":
    "permission is missing; check the owner of the folder and the rights of this program",
  "read-only": "the file system is read-only; make it writable, or choose another folder",
  "too-large": "the file is too large for this file system or this user's limits",
  "too-many-open-files":
    "the system has too many files open; raise the limit (ulimit -n) or lower the store's",
  "truncated": "the file is shorter than it should be",
  "volume-missing":
    "what was there is gone, and the folder is on another disk than before; mount the disk that it was on, or choose another folder",
};

/** What systems call it, as Deno and node:fs hand it on in `error.code`. */
const codesOfSystem: Record<string, StorageErrorCode> = {
  EACCES: "permission",
  EDQUOT: "disk-full",
  EEXIST: "exists",
  EFBIG: "too-large",
  EISDIR: "is-directory",
  ELOOP: "outside",
  EMFILE: "too-many-open-files",
  ENAMETOOLONG: "name-too-long",
  ENFILE: "too-many-open-files",
  ENODEV: "not-found",
  ENOENT: "not-found",
  ENOSPC: "disk-full",
  ENOTDIR: "not-directory",
  ENXIO: "not-found",
  EPERM: "permission",
  EROFS: "read-only",
};

/** The classes of Deno's errors, for those that carry no `code`. */
const codesOfName: Record<string, StorageErrorCode> = {
  AlreadyExists: "exists",
  IsADirectory: "is-directory",
  NotADirectory: "not-directory",
  NotCapable: "permission",
  NotFound: "not-found",
  PermissionDenied: "permission",
};

/** Makes the error that says in plain words why `verb` could not be done to `path`. */
export function storageError(
  code: StorageErrorCode,
  verb: string,
  path: string,
  cause?: unknown,
): StorageError {
  return new StorageError(code, path, `Cannot ${verb} ${path}: ${reasons[code]}`, cause);
}

/**
 * Turns what Deno or node:fs threw into a `StorageError`. One that is a `StorageError` already is
 * handed back as it is. What nothing is known about becomes `"io"`, with the system's own words.
 */
export function asStorageError(error: unknown, verb: string, path: string): StorageError {
  if (error instanceof StorageError) return error;
  const { code, name, message } = Object(error) as {
    code?: unknown;
    name?: unknown;
    message?: unknown;
  };
  const known = (typeof code === "string" ? codesOfSystem[code] : undefined) ??
    (typeof name === "string" ? codesOfName[name] : undefined);
  if (known !== undefined) return storageError(known, verb, path, error);
  return new StorageError(
    "io",
    path,
    `Cannot ${verb} ${path}: ${reasons.io}: ${String(message ?? error)}`,
    error,
  );
}
