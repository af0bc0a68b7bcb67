/**
 * `parseArgs` as in `@std/cli/parse-args`. The types follow the real ones except for dotted names
 * (`--peer.limit 5`), which are parsed but not typed.
 *
 * @module
 */

type FlagName = string | undefined;
type BooleanFlag = string | boolean | undefined;

/** Aliases by name: `{ help: "h" }` or `{ help: ["h", "?"] }`. */
type Aliases<Name = string, Alias extends string = string> = Partial<
  Record<Extract<Name, string>, Alias | readonly Alias[]>
>;

type Flatten<T> = { [Key in keyof T]: T[Key] };

/** What one occurrence of a flag gives. */
type Single<Name, Booleans, Strings> = Name extends Booleans ? boolean
  : Name extends Strings ? string
  : unknown;

/** What a flag gives, collected or negated as declared. */
type Value<Name, Booleans, Strings, Collected, Negatable> =
  | (Name extends Collected ? Single<Name, Booleans, Strings>[]
    : Single<Name, Booleans, Strings>)
  | (Name extends Negatable ? false : never);

/** Names of flags that are absent from the result when the command line does not have them. */
type Absentable<Booleans, Strings, Collected, Defaults> = Exclude<
  Strings,
  Booleans | Collected | keyof Defaults
>;

type AliasOf<Name, Alias> = Name extends keyof Alias
  ? Alias[Name] extends readonly (infer Other)[] ? Extract<Other, string>
  : Extract<Alias[Name], string>
  : never;

type WithAliases<T, Alias> = {
  [Name in keyof T as Name | AliasOf<Name, Alias>]: T[Name];
};

type IsTyped<Booleans, Strings, Collected> = [
  | Exclude<Booleans, false | undefined>
  | Exclude<Strings | Collected, undefined>,
] extends [never] ? false
  : true;

type Values<
  Booleans extends BooleanFlag,
  Strings extends FlagName,
  Collected extends FlagName,
  Negatable extends FlagName,
  Defaults,
  Alias,
> = IsTyped<Booleans, Strings, Collected> extends true ?
    & Record<string, unknown>
    & WithAliases<
      & {
        [
          Name in Exclude<
            Extract<Booleans | Collected, string>,
            keyof Defaults
          >
        ]: Value<Name, Booleans, Strings, Collected, Negatable>;
      }
      & {
        [
          Name in Extract<
            Absentable<Booleans, Strings, Collected, Defaults>,
            string
          >
        ]?: Value<Name, Booleans, Strings, Collected, Negatable>;
      }
      & {
        [Name in keyof Defaults]: Name extends Booleans | Strings | Collected ?
            | Value<Name, Booleans, Strings, Collected, Negatable>
            | Defaults[Name]
          : unknown;
      },
      Alias
    >
  // deno-lint-ignore no-explicit-any -- as the real one: nothing was declared, so anything may be there
  : Record<string, any>;

interface DoubleDash {
  /** What follows `--`. */
  "--"?: string[];
}

/** What `parseArgs` returns. */
export type Args<
  // deno-lint-ignore no-explicit-any -- as the real one
  TArgs extends Record<string, unknown> = Record<string, any>,
  TDoubleDash extends boolean | undefined = undefined,
> = Flatten<
  & TArgs
  & {
    /** The arguments that belong to no option. */
    _: (string | number)[];
  }
  & (boolean extends TDoubleDash ? DoubleDash
    : true extends TDoubleDash ? Required<DoubleDash>
    : Record<never, never>)
>;

/** The options of `parseArgs`. */
export interface ParseOptions<
  TBooleans extends BooleanFlag = BooleanFlag,
  TStrings extends FlagName = FlagName,
  TCollectable extends FlagName = FlagName,
  TNegatable extends FlagName = FlagName,
  TDefault extends Record<string, unknown> | undefined =
    | Record<string, unknown>
    | undefined,
  TAliases extends Aliases | undefined = Aliases | undefined,
  TDoubleDash extends boolean | undefined = boolean | undefined,
> {
  /** Put what follows `--` into the property `--` instead of `_`. */
  "--"?: TDoubleDash;
  /** Other names of flags. */
  alias?: TAliases;
  /** Flags without a value, `false` when absent; `true`: all flags of the form `--name`. */
  boolean?: TBooleans | ReadonlyArray<Extract<TBooleans, string>>;
  /** Values of flags that are absent. */
  default?: TDefault & Record<string, unknown>;
  /** Put everything from the first argument that is no option into `_`. */
  stopEarly?: boolean;
  /** Flags whose value is never read as a number. */
  string?: TStrings | ReadonlyArray<Extract<TStrings, string>>;
  /** Flags that may be repeated; their value is an array. */
  collect?: TCollectable | ReadonlyArray<Extract<TCollectable, string>>;
  /** Flags that `--no-NAME` sets to `false`. */
  negatable?: TNegatable | ReadonlyArray<Extract<TNegatable, string>>;
  /** Is told of each argument that was not declared, and drops it by returning `false`. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/**
 * Parses a command line. Numeric values become numbers, unless the flag is declared a string.
 *
 * @example
 * ```ts
 * import { parseArgs } from "@std/cli/parse-args";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseArgs(["--foo", "--bar=baz", "./quux.txt"]), {
 *   foo: true,
 *   bar: "baz",
 *   _: ["./quux.txt"],
 * });
 * ```
 */
export function parseArgs<
  TArgs extends Values<
    TBooleans,
    TStrings,
    TCollectable,
    TNegatable,
    TDefaults,
    TAliases
  >,
  TDoubleDash extends boolean | undefined = undefined,
  TBooleans extends BooleanFlag = undefined,
  TStrings extends FlagName = undefined,
  TCollectable extends FlagName = undefined,
  TNegatable extends FlagName = undefined,
  TDefaults extends Record<string, unknown> | undefined = undefined,
  TAliases extends Aliases<TAliasArgNames, TAliasNames> | undefined = undefined,
  TAliasArgNames extends string = string,
  TAliasNames extends string = string,
>(
  args: string[],
  options?: ParseOptions<
    TBooleans,
    TStrings,
    TCollectable,
    TNegatable,
    TDefaults,
    TAliases,
    TDoubleDash
  >,
): Args<TArgs, TDoubleDash> {
  return new CommandLine(options ?? {}).parse(args) as Args<TArgs, TDoubleDash>;
}

type Tree = { [name: string]: unknown };
type Scalar = string | number | boolean;

class CommandLine {
  readonly #aliases = new Map<string, readonly string[]>();
  readonly #booleans: ReadonlySet<string>;
  readonly #strings: ReadonlySet<string>;
  readonly #collected: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;
  readonly #options: ParseOptions;
  readonly #positional: (string | number)[] = [];
  readonly #result: Tree = { _: this.#positional };

  constructor(options: ParseOptions) {
    this.#options = options;
    for (const [name, value] of Object.entries(options.alias ?? {})) {
      if (value === undefined) {
        throw new TypeError("Alias value must be defined");
      }
      const group = [name, ...(typeof value === "string" ? [value] : value)];
      for (const member of group) {
        this.#aliases.set(member, group.filter((other) => other !== member));
      }
    }
    this.#booleans = this.#namesOf(options.boolean);
    this.#strings = this.#namesOf(options.string);
    this.#collected = this.#namesOf(options.collect);
    this.#negatable = this.#namesOf(options.negatable);
  }

  parse(args: readonly string[]): Tree {
    const dashes = args.indexOf("--");
    const parsed = dashes === -1 ? args : args.slice(0, dashes);
    const rest = dashes === -1 ? [] : args.slice(dashes + 1);
    let at = 0;
    while (at < parsed.length) {
      const arg = parsed[at++]!;
      if (/^--./s.test(arg)) at += this.#takeLong(arg, parsed[at]);
      else if (/^-./s.test(arg)) at += this.#takeShort(arg, parsed[at]);
      else {
        this.#takePositional(arg);
        if (this.#options.stopEarly) {
          this.#positional.push(...parsed.slice(at));
          break;
        }
      }
    }
    this.#fillAbsent();
    if (this.#options["--"]) this.#result["--"] = rest;
    else this.#positional.push(...rest);
    return this.#result;
  }

  #namesOf(declared: BooleanFlag | readonly string[]): Set<string> {
    const names = typeof declared === "string"
      ? [declared]
      : Array.isArray(declared)
      ? declared
      : [];
    return new Set(
      names.filter(Boolean).flatMap((name) => [name, ...this.#aliasesOf(name)]),
    );
  }

  #aliasesOf(name: string): readonly string[] {
    return this.#aliases.get(name) ?? [];
  }

  #isBoolean(name: string): boolean {
    return this.#booleans.has(name) ||
      this.#aliasesOf(name).some((alias) => this.#booleans.has(alias));
  }

  /** Takes `--name`, `--name=value`, `--name value` or `--no-name`; returns how many further arguments it used. */
  #takeLong(arg: string, next: string | undefined): 0 | 1 {
    const [, isNegated, bareName, value] = /^--(no-)?(.+?)(?:=(.+))?$/s.exec(
      arg,
    ) as unknown as (string | undefined)[] & { 2: string };
    if (value !== undefined) {
      this.#set(
        bareName,
        this.#booleans.has(bareName) ? value !== "false" : value,
        arg,
      );
      return 0;
    }
    if (isNegated && this.#negatable.has(bareName)) {
      this.#set(bareName, false, arg, false);
      return 0;
    }
    const name = isNegated ? `no-${bareName}` : bareName;
    const takesValue = this.#options.boolean !== true && !this.#isBoolean(name);
    return this.#setWithNext(
      name,
      arg,
      next,
      takesValue && !next?.startsWith("-"),
    );
  }

  /** Takes `-a`, `-abc`, `-n5`, `-n=5` or `-n 5`; returns how many further arguments it used. */
  #takeShort(arg: string, next: string | undefined): 0 | 1 {
    for (let at = 1; at < arg.length - 1; at++) {
      const name = arg[at]!;
      const rest = arg.slice(at + 1);
      if (rest === "-") {
        this.#set(name, rest, arg);
        continue;
      }
      const value = attachedValue(name, rest);
      if (value !== null) {
        this.#set(name, value, arg);
        return 0;
      }
      this.#set(name, this.#bareValue(name), arg);
    }
    const last = arg.at(-1)!;
    if (last === "-") return 0;
    const isValue = next !== undefined && !/^--?[^-]/.test(next);
    return this.#setWithNext(
      last,
      arg,
      next,
      isValue && !this.#isBoolean(last),
    );
  }

  #setWithNext(
    name: string,
    arg: string,
    next: string | undefined,
    isValue: boolean,
  ): 0 | 1 {
    if (next && isValue) this.#set(name, next, arg);
    else if (next === "true" || next === "false") {
      this.#set(name, next === "true", arg);
    } else {
      this.#set(name, this.#bareValue(name), arg);
      return 0;
    }
    return 1;
  }

  #bareValue(name: string): Scalar {
    return this.#strings.has(name) ? "" : true;
  }

  #takePositional(arg: string): void {
    if (this.#options.unknown?.(arg) === false) return;
    this.#positional.push(this.#strings.has("_") ? arg : numberIfNumeric(arg));
  }

  #set(
    name: string,
    value: Scalar,
    arg: string,
    mayCollect: boolean = true,
  ): void {
    const isDeclared = this.#booleans.has(name) || this.#strings.has(name) ||
      this.#aliases.has(name) ||
      (this.#options.boolean === true && /^--[^=]+$/.test(arg));
    if (!isDeclared && this.#options.unknown?.(arg, name, value) === false) {
      return;
    }
    const isText = typeof value !== "string" || this.#strings.has(name);
    const kept = isText ? value : numberIfNumeric(value as string);
    for (const each of [name, ...this.#aliasesOf(name)]) {
      if (mayCollect && this.#collected.has(name)) {
        append(this.#result, each, kept);
      } else write(this.#result, each, kept);
    }
  }

  #fillAbsent(): void {
    for (const [name, value] of Object.entries(this.#options.default ?? {})) {
      if (has(this.#result, name)) continue;
      for (const each of [name, ...this.#aliasesOf(name)]) {
        write(this.#result, each, value);
      }
    }
    for (const name of this.#booleans) {
      if (has(this.#result, name)) continue;
      write(this.#result, name, this.#collected.has(name) ? [] : false);
    }
    for (const name of this.#strings) {
      if (this.#collected.has(name) && !has(this.#result, name)) {
        write(this.#result, name, []);
      }
    }
  }
}

/** The value in `-n5`, `-n=5` or `-I/usr`, given the letter and what follows it; else `null`. */
function attachedValue(letter: string, rest: string): string | null {
  if (/[A-Za-z]/.test(letter)) {
    const afterEquals = /=(.+)/.exec(rest)?.[1];
    if (afterEquals !== undefined) return afterEquals;
    if (/-?\d+(\.\d*)?(e-?\d+)?$/.test(rest)) return rest;
  }
  return /^\W/.test(rest) && rest.length > 1 ? rest : null;
}

function numberIfNumeric(text: string): string | number {
  return /\S/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** Finds the object in which the last part of a dotted name belongs; makes the objects on the way. */
function ownerOf(tree: Tree, name: string): { owner: Tree; key: string } {
  const parts = name.split(".");
  const key = parts.pop()!;
  let owner = tree;
  for (const part of parts) {
    if (!Object.hasOwn(owner, part)) define(owner, part, {});
    owner = owner[part] as Tree;
  }
  return { owner, key };
}

function write(tree: Tree, name: string, value: unknown): void {
  const { owner, key } = ownerOf(tree, name);
  define(owner, key, value);
}

function append(tree: Tree, name: string, value: unknown): void {
  const { owner, key } = ownerOf(tree, name);
  const present = Object.hasOwn(owner, key) ? owner[key] : undefined;
  if (Array.isArray(present)) present.push(value);
  else define(owner, key, present ? [present, value] : [value]);
}

/** Sets a property of the object itself, whatever its name: `--__proto__` is a flag like another. */
function define(owner: Tree, key: string, value: unknown): void {
  Object.defineProperty(owner, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function has(tree: Tree, name: string): boolean {
  let at: unknown = tree;
  for (const part of name.split(".")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, part)) {
      return false;
    }
    at = (at as Tree)[part];
  }
  return true;
}
