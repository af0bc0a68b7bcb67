import { assertEquals, assertThrows } from "@std/assert";
import { type Args, parseArgs, type ParseOptions } from "@std/cli/parse-args";
import { parseArgs as fromMod } from "@std/cli";

/** A command line, options, and what comes out. */
const cases: [string, string[], ParseOptions, Record<string, unknown>][] = [
  ["positional arguments, numbers read", ["a", "7", " "], {}, {
    _: ["a", 7, " "],
  }],
  ["positional arguments as text", ["7"], { string: "_" }, { _: ["7"] }],
  ["a value after a space", ["--port", "555"], {}, { port: 555, _: [] }],
  ["a value after =", ["--host=h=1", "--port=0x10"], {}, {
    host: "h=1",
    port: 16,
    _: [],
  }],
  ["a value of several lines", ["--s=X\nX"], {}, { s: "X\nX", _: [] }],
  ["an empty value as a part of the name", ["--s="], {}, { "s=": true, _: [] }],
  ["a flag without value", ["--bool", "--last"], {}, {
    bool: true,
    last: true,
    _: [],
  }],
  ["no value that begins with -", ["--name", "-x"], {}, {
    name: true,
    x: true,
    _: [],
  }],
  ["strings", ["--s", "0012", "--t"], { string: ["s", "t"] }, {
    s: "0012",
    t: "",
    _: [],
  }],
  ["booleans", ["--b", "x"], { boolean: ["b", "c"] }, {
    b: true,
    c: false,
    _: ["x"],
  }],
  ["booleans with a value", ["--b=false", "--c", "false", "-d", "true"], {
    boolean: ["b", "c", "d"],
  }, { b: false, c: false, d: true, _: [] }],
  ["all long flags as booleans", ["--b", "x", "--t=y", "-p", "5"], {
    boolean: true,
  }, {
    b: true,
    t: "y",
    p: 5,
    _: ["x"],
  }],
  ["short flags", ["-a", "-bcd", "x"], {}, {
    a: true,
    b: true,
    c: true,
    d: "x",
    _: [],
  }],
  [
    "short flags with attached values",
    ["-n5", "-m=6", "-I/usr", "-e==", "-f-"],
    {},
    {
      n: 5,
      m: 6,
      I: "/usr",
      e: "=",
      f: "-",
      _: [],
    },
  ],
  ["short strings", ["-art"], { string: ["a", "t"] }, {
    a: "",
    r: true,
    t: "",
    _: [],
  }],
  ["digits as flags", ["-12", "x"], {}, { 1: true, 2: "x", _: [] }],
  ["a single hyphen", ["-", "-n", "-"], {}, { n: "-", _: ["-"] }],
  ["no negation that was not declared", ["--no-x"], {}, {
    "no-x": true,
    _: [],
  }],
  ["negation", ["--color", "--no-color"], {
    boolean: ["color"],
    negatable: ["color"],
  }, {
    color: false,
    _: [],
  }],
  ["negation, revoked", ["--no-color", "--color"], {
    boolean: "color",
    negatable: "color",
  }, {
    color: true,
    _: [],
  }],
  ["negation of a collected flag", ["--f", "1", "--no-f"], {
    string: ["f"],
    collect: ["f"],
    negatable: ["f"],
  }, { f: false, _: [] }],
  ["the last of repeated flags", ["--x", "1", "--x", "2"], {}, { x: 2, _: [] }],
  ["collected flags", ["--x", "1", "--x=b"], { collect: ["x"] }, {
    x: [1, "b"],
    _: [],
  }],
  [
    "collected strings",
    ["--x", "1", "-x", "2"],
    { string: "x", collect: "x" },
    {
      x: ["1", "2"],
      _: [],
    },
  ],
  ["collected strings, none given", [], { string: ["x"], collect: ["x"] }, {
    x: [],
    _: [],
  }],
  ["collected booleans", [], { boolean: ["x"], collect: ["x"] }, {
    x: [],
    _: [],
  }],
  ["aliases", ["-p", "1", "--host", "h"], {
    alias: { port: "p", host: ["h", "name"] },
  }, {
    p: 1,
    port: 1,
    h: "h",
    host: "h",
    name: "h",
    _: [],
  }],
  ["aliases of booleans", ["-h", "x"], {
    boolean: "help",
    alias: { h: "help" },
  }, {
    h: true,
    help: true,
    _: ["x"],
  }],
  ["aliases of collected flags", ["-H", "a", "--header", "b"], {
    collect: ["header"],
    alias: { H: "header" },
  }, { H: ["a", "b"], header: ["a", "b"], _: [] }],
  ["defaults", ["--a", "1"], { default: { a: 0, b: 2 }, alias: { b: "c" } }, {
    a: 1,
    b: 2,
    c: 2,
    _: [],
  }],
  ["a default of null for a boolean", [], {
    boolean: "b",
    default: { b: null },
  }, {
    b: null,
    _: [],
  }],
  ["--, joined to the rest", ["a", "--", "-b", "7"], {}, {
    _: ["a", "-b", "7"],
  }],
  ["--, apart", ["a", "--", "-b"], { "--": true }, { _: ["a"], "--": ["-b"] }],
  ["the end of options", ["--a", "b", "c", "--d"], { stopEarly: true }, {
    a: "b",
    _: ["c", "--d"],
  }],
  ["dotted names", ["--a.b", "1", "--a.c.d"], { default: { "a.e": 2 } }, {
    a: { b: 1, c: { d: true }, e: 2 },
    _: [],
  }],
  ["names of built-in properties", ["--toString", "--valueOf", "x"], {
    boolean: ["toString"],
  }, {
    toString: true,
    valueOf: "x",
    _: [],
  }],
];

for (const [name, args, options, expected] of cases) {
  Deno.test(`parseArgs() understands ${name}`, () => {
    assertEquals(parseArgs(args, options), expected);
  });
}

Deno.test("parseArgs() lets no flag reach the prototype of all objects", () => {
  const parsed = parseArgs([
    "--__proto__.polluted",
    "yes",
    "--constructor.polluted",
    "yes",
  ]);
  assertEquals(({} as Record<string, unknown>).polluted, undefined);
  assertEquals(
    (Object as unknown as Record<string, unknown>).polluted,
    undefined,
  );
  assertEquals(Object.keys(parsed), ["_", "__proto__", "constructor"]);
});

Deno.test("parseArgs() asks about what is unknown, and drops it", () => {
  const asked: unknown[][] = [];
  const unknown = (...question: unknown[]) => {
    asked.push(question);
    return false;
  };
  const args = ["-h", "--known", "x", "--derp", "y", "file", "--flag"];
  const options = {
    boolean: ["h"],
    string: ["known"],
    alias: { h: "help" },
    unknown,
  };
  assertEquals(parseArgs(args, options), {
    h: true,
    help: true,
    known: "x",
    _: [],
  });
  assertEquals(asked, [["--derp", "derp", "y"], ["file"], [
    "--flag",
    "flag",
    true,
  ]]);
  assertEquals(parseArgs(["x", "--y"], { unknown: () => true }), {
    _: ["x"],
    y: true,
  });
});

Deno.test("parseArgs() refuses an alias without a name", () => {
  assertThrows(
    () => parseArgs([], { alias: { a: undefined } } as never),
    TypeError,
    "Alias",
  );
});

Deno.test("parseArgs() is the same under both names", () => {
  assertEquals(fromMod, parseArgs);
});

/** Holds at compile time, only if both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
function expectType<T extends true>(..._claim: T[]): void {}

Deno.test("parseArgs() types what is declared", () => {
  const args = parseArgs([], {
    boolean: ["help", "color", "verbose"],
    string: ["out", "peer", "port"],
    collect: ["peer", "verbose", "tag"],
    negatable: ["color", "out"],
    alias: { help: ["h", "usage"], out: "o", peer: "p" },
    default: { port: 6881, extra: new Date(0) },
    "--": true,
  });
  expectType<Same<typeof args.help, boolean>>();
  expectType<Same<typeof args.h, boolean>>();
  expectType<Same<typeof args.usage, boolean>>();
  expectType<Same<typeof args.color, boolean>>();
  expectType<Same<typeof args.verbose, boolean[]>>();
  expectType<Same<typeof args.out, string | false | undefined>>();
  expectType<Same<typeof args.o, string | false | undefined>>();
  expectType<Same<typeof args.peer, string[]>>();
  expectType<Same<typeof args.p, string[]>>();
  expectType<Same<typeof args.tag, unknown[]>>();
  expectType<Same<typeof args.port, string | number>>();
  expectType<Same<typeof args.extra, unknown>>();
  expectType<Same<typeof args.undeclared, unknown>>();
  expectType<Same<typeof args._, (string | number)[]>>();
  expectType<Same<typeof args["--"], string[]>>();
  assertEquals(args["--"], []);
});

Deno.test("parseArgs() leaves open what is not declared", () => {
  const open = parseArgs(["--x", "1"]);
  // deno-lint-ignore no-explicit-any -- the type that the real one gives
  expectType<Same<typeof open.x, any>>();
  const given = parseArgs<{ port?: number }, true>(["--", "x"], { "--": true });
  expectType<Same<typeof given, Args<{ port?: number }, true>>>();
  expectType<Same<typeof given["--"], string[]>>();
  assertEquals(given["--"], ["x"]);
});
