/**
 * A lint plugin that judges nothing: it tells what a file imports and which of the runtime's ways to the
 * world outside it touches. `check_layers.ts` runs it through `deno lint`, which parses the files, and judges.
 *
 * @module
 */

/** What the plugin tells of a file; it travels as JSON in the message of a diagnostic. */
export type Fact =
  | { kind: "import"; specifier: string | null; isType: boolean; isStar: boolean }
  | { kind: "touch"; what: string };

type Identifier = Deno.lint.Identifier;
type Node = Extract<Deno.lint.Node, { parent: unknown }>;

/** Names with which code reaches files, sockets, clocks, randomness or another thread. */
const worldNames: ReadonlySet<string> = new Set([
  ...["Deno", "process", "require", "globalThis", "self", "window", "global"],
  ...["fetch", "WebSocket", "WebSocketStream", "EventSource", "XMLHttpRequest", "WebTransport"],
  ...["Worker", "SharedWorker", "BroadcastChannel", "MessageChannel"],
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "requestAnimationFrame"],
  ...["clearTimeout", "clearInterval", "clearImmediate", "requestIdleCallback", "scheduler"],
  ...["Date", "Temporal", "performance"],
  ...["localStorage", "sessionStorage", "indexedDB", "caches", "navigator"],
  ...["prompt", "confirm", "alert", "eval", "Function"],
]);

/** Objects of which only some members reach the world. */
const worldMembers: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["Math", new Set(["random"])],
  ["crypto", new Set(["getRandomValues", "randomUUID", "subtle.generateKey"])],
  ["AbortSignal", new Set(["timeout"])],
  ["Atomics", new Set(["wait", "waitAsync"])],
]);

/** Objects that code might rename, and then reach a member that this plugin would not recognise. */
const neverBare: ReadonlySet<string> = new Set(["Math", "crypto", "Atomics"]);

const plugin: Deno.lint.Plugin = {
  name: "facts",
  rules: { facts: { create: visitorOf } },
};
export default plugin;

function visitorOf(context: Deno.lint.RuleContext): Deno.lint.LintVisitor {
  const tell = (node: Node, fact: Fact) => context.report({ node, message: JSON.stringify(fact) });
  const tellImport = (
    node: Node,
    specifier: string | null | undefined,
    isType: boolean,
    isStar: boolean = false,
  ) => {
    if (specifier !== undefined) {
      tell(node, { kind: "import", specifier, isType, isStar });
    }
  };
  const scopes = new Map<Node, Set<string>>();
  const references: Identifier[] = [];
  return {
    ImportDeclaration(node) {
      tellImport(node, node.source.value, node.importKind === "type");
    },
    ExportNamedDeclaration(node) {
      tellImport(node, node.source?.value, node.exportKind === "type");
    },
    ExportAllDeclaration(node) {
      tellImport(node, node.source.value, node.exportKind === "type", node.exported === null);
    },
    ImportExpression(node) {
      tellImport(node, textOf(node.source), false);
    },
    TSImportType(node) {
      tellImport(node, textOf(node.argument), true);
    },
    TSExternalModuleReference(node) {
      tellImport(node, textOf(node.expression), false);
    },
    Identifier(node) {
      const role = roleOf(node);
      if (role === "reference") references.push(node);
      if (role !== "declaration") return;
      const scope = scopeOf(node);
      if (!scopes.has(scope)) scopes.set(scope, new Set());
      scopes.get(scope)!.add(node.name);
    },
    "Program:exit"() {
      for (const node of references) {
        const what = worldPathOf(node);
        if (what === null || isDeclared(node, scopes)) continue;
        tell(node, { kind: "touch", what });
      }
    },
  };
}

/** The text of a string literal, else `null`. */
function textOf(node: Node): string | null {
  if (node.type === "TSLiteralType") return textOf(node.literal);
  return node.type === "Literal" && typeof node.value === "string" ? node.value : null;
}

/** Fields in which an identifier is the name of something else's part, and refers to nothing in scope. */
const nameFields: ReadonlySet<string> = new Set(
  ["imported", "exported", "label", "qualifier", "parameterName", "meta"],
);
/** Fields in which an identifier makes a name, so that the file means its own thing by it. */
const declarationFields: ReadonlySet<string> = new Set(
  ["id", "param", "params", "parameter", "parameters"],
);

function roleOf(node: Identifier): "declaration" | "name" | "reference" {
  const parent = node.parent as Node;
  const field = fieldOf(node, parent);
  const isPlainKey = (field === "key" || field === "property") &&
    !("computed" in parent && parent.computed);
  if (isPlainKey || nameFields.has(field)) return "name";
  if (declarationFields.has(field)) return parent.type === "TSEnumMember" ? "name" : "declaration";
  switch (parent.type) {
    case "TSQualifiedName":
      return field === "right" ? "name" : "reference";
    case "ExportSpecifier":
      return (parent.parent as Deno.lint.ExportNamedDeclaration).source ? "name" : "reference";
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
    case "RestElement":
    case "ArrayPattern":
    case "TSTypeParameter":
      return "declaration";
    case "AssignmentPattern":
      return field === "left" ? "declaration" : "reference";
    case "Property":
      return (parent.parent as Node).type === "ObjectPattern" ? "declaration" : "reference";
    default:
      return "reference";
  }
}

/** The nodes that names belong to: what is declared in one is seen in all of it, and nowhere else. */
const scopeTypes = /Function|Signature|Block|^For|^CatchClause$|^SwitchStatement$|^Program$/;

function scopeOf(node: Identifier): Node {
  let scope = node.parent as Node;
  // The name of a function belongs to what is around the function.
  if (fieldOf(node, scope) === "id") scope = scope.parent as Node;
  while (!scopeTypes.test(scope.type)) scope = scope.parent as Node;
  return scope;
}

function isDeclared(node: Identifier, scopes: ReadonlyMap<Node, ReadonlySet<string>>): boolean {
  for (let at: Node | undefined = node.parent as Node; at; at = at.parent as Node | undefined) {
    if (scopes.get(at)?.has(node.name)) return true;
  }
  return false;
}

/** The name of the field of `parent` that holds `node`. */
function fieldOf(node: Node, parent: Node): string {
  const fields = parent as unknown as Record<string, unknown>;
  for (
    const field of Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(parent)))
  ) {
    if (field === "parent") continue;
    const value = fields[field];
    if (value === node || (Array.isArray(value) && value.includes(node))) return field;
  }
  return "";
}

/** What of the world a reference reaches, such as `Deno` or `crypto.randomUUID`; `null` if nothing. */
function worldPathOf(node: Identifier): string | null {
  if (worldNames.has(node.name)) return [node.name, ...membersAfter(node).slice(0, 1)].join(".");
  const members = worldMembers.get(node.name);
  if (members === undefined) return null;
  const path = membersAfter(node);
  if (path.length === 0) return neverBare.has(node.name) ? `${node.name} (unnamed member)` : null;
  for (const member of members) {
    if (`${path.join(".")}.`.startsWith(`${member}.`)) return `${node.name}.${member}`;
  }
  return null;
}

/** The names in `.a.b` after an identifier, as far as they can be known. */
function membersAfter(node: Node): string[] {
  const parent = node.parent as Node;
  if (parent.type === "TSQualifiedName" && parent.left === node) {
    return [parent.right.name, ...membersAfter(parent)];
  }
  if (parent.type !== "MemberExpression" || parent.object !== node) return [];
  const name = parent.property.type === "Identifier" && !parent.computed
    ? parent.property.name
    : textOf(parent.property);
  return name === null ? [] : [name, ...membersAfter(parent)];
}
