/** What a name becomes of which nothing safe is left. */
const PLACEHOLDER = "_";

/** Control characters and line separators. */
// deno-lint-ignore no-control-regex -- control characters are what it is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/gu;
/** What a reader does not see although it changes what is read: bidirectional overrides, joiners, byte-order marks, lone surrogates. */
const INVISIBLE = /[\p{Cf}\p{Cs}]/gu;
const SEPARATORS = /[/\\]/g;
/** What Windows does not take in a name beside the control characters. */
const WINDOWS_RESERVED = /[<>:"|?*]/g;
/** Device names of Windows, with any extension: opening one reaches the device from every folder. */
const DEVICE =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(?:[.:]|$)/i;

/** How names are made safe. */
export interface NameOptions {
  /** Whether `< > : " | ? *`, which only Windows refuses, become `_` too. Default false: data that other programs wrote elsewhere keeps its names. */
  readonly windows?: boolean;
}

/**
 * Makes one name of a path safe, or answers null for one that must not be there at all (`.`, `..`,
 * one of nothing but separators).
 *
 * Separators and invisible format characters are dropped, control characters become `_`, dots and
 * spaces at the end go (Windows would drop them and find another file), and a device name gets a `_` in
 * front. An empty name becomes `_`. A name that is too long for a file system stays as it is: the store
 * knows the file system.
 */
export function safeName(text: string, options: NameOptions = {}): string | null {
  if (text === "") return PLACEHOLDER;
  let name = text.replace(SEPARATORS, "");
  if (/^\.*$/.test(name) && name.length < 3) return null;
  name = name.replace(CONTROL, PLACEHOLDER).replace(INVISIBLE, "");
  if (options.windows === true) name = name.replace(WINDOWS_RESERVED, PLACEHOLDER);
  if (DEVICE.test(name)) name = PLACEHOLDER + name;
  name = trimEnd(name);
  return name === "" ? PLACEHOLDER : name;
}

/** Takes off what Windows takes off a name by itself. */
function trimEnd(name: string): string {
  return name.replace(/[. ]+$/, "");
}

/** Makes a path safe, name by name; never empty. */
export function safePath(components: readonly Uint8Array[], options: NameOptions = {}): string[] {
  const names: string[] = [];
  for (const component of components) {
    const name = safeName(textOfBytes(component), options);
    if (name !== null) names.push(name);
  }
  return names.length === 0 ? [PLACEHOLDER] : names;
}

/** Reads bytes as UTF-8; what is none becomes U+FFFD. */
export function textOfBytes(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Makes text fit to be shown: control characters and line separators become spaces, format characters go. */
export function printableText(text: string): string {
  return text.replace(CONTROL, " ").replace(INVISIBLE, "");
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** A name's stem and its extension with the dot; an extension of more than 15 bytes is none. */
function splitExtension(name: string): [string, string] {
  const dot = name.lastIndexOf(".");
  if (dot <= 0 || encoder.encode(name.slice(dot)).length > 16) return [name, ""];
  return [name.slice(0, dot), name.slice(dot)];
}

/** Tells whether bytes are valid UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    strictDecoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/**
 * Gives each file of a torrent a path of its own, where two have the same one or a file has the name of another's
 * directory. Names that only some file systems take for one another, as they tell letter cases or Unicode forms not
 * apart, stay as they are: the store knows the file system.
 *
 * The first to be placed keeps its name, later ones get `.1`, `.2`… before the extension; a file in
 * the place of a directory gives way to it.
 */
export class PathResolver {
  readonly #directories: Set<string> = new Set();
  readonly #taken: Set<string> = new Set();
  /** The number last given for a path, so that many files of one name cost no search each. */
  readonly #counters: Map<string, number> = new Map();

  /** Learns the directories of all files that will be on disk; names are safe already. */
  constructor(paths: Iterable<readonly string[]>) {
    for (const names of paths) {
      let directory = "";
      for (let i = 0; i < names.length - 1; i++) {
        directory += names[i]! + "/";
        this.#directories.add(directory);
      }
    }
  }

  /** Gives a file its path. */
  place(names: readonly string[]): string {
    const parents = names.slice(0, -1).map((name) => name + "/").join("");
    const last = names[names.length - 1]!;
    const wanted = parents + last;
    let path = wanted;
    let counter = this.#counters.get(wanted) ?? 0;
    while (this.#taken.has(path) || this.#directories.has(path + "/")) {
      path = parents + numberedName(last, ++counter);
    }
    this.#counters.set(wanted, counter);
    this.#taken.add(path);
    return path;
  }
}

function numberedName(name: string, counter: number): string {
  const [stem, extension] = splitExtension(name);
  return `${stem}.${counter}${extension}`;
}
