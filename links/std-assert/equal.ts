/** What `assertEquals` means by equal; see `equal`. */

/** The class above `Uint8Array` and its like; the language gives it no name. */
const TypedArray: new () => ArrayLike<unknown> = Object.getPrototypeOf(
  Uint8Array,
);

/** Classes whose instances are equal when they read the same as text. */
const comparedAsText: ReadonlySet<object> = new Set<object>([
  RegExp.prototype,
  URL.prototype,
  URLSearchParams.prototype,
  Intl.Locale.prototype,
]);

/**
 * Tells whether two values are deeply equal, as `@std/assert` understands it.
 *
 * It differs from `node:util`'s `isDeepStrictEqual` in these points: `0` equals `-0`; an object without a
 * prototype equals a plain object; the getters of a class are compared too; `WeakMap` and `WeakSet` throw.
 */
export function equal(a: unknown, b: unknown): boolean {
  return new Comparison().equal(a, b);
}

type Keyed = Record<string | symbol, unknown>;

class Comparison {
  /** Pairs under comparison: a cycle that comes back to such a pair is equal as far as it goes. */
  readonly #open = new Map<object, object>();

  equal(a: unknown, b: unknown): boolean {
    if (a === b || Object.is(a, b)) return true;
    if (
      typeof a !== "object" || typeof b !== "object" || a === null || b === null
    ) return false;
    if (a instanceof Date && b instanceof Date) {
      return Object.is(a.getTime(), b.getTime());
    }
    if (!samePrototype(a, b)) return false;
    if (isTypedArray(a)) return sameElements(a, b as ArrayLike<unknown>);
    if (isBuffer(a)) {
      return sameElements(new Uint8Array(a), new Uint8Array(b as ArrayBuffer));
    }
    if (a instanceof WeakMap || a instanceof WeakSet) {
      throw new TypeError(`Cannot compare ${a.constructor.name} instances`);
    }
    if (a instanceof WeakRef) {
      return this.equal(a.deref(), (b as WeakRef<WeakKey>).deref());
    }
    if (this.#open.get(a) === b) return true;
    if (Object.keys(a).length !== Object.keys(b).length) return false;
    this.#open.set(a, b);
    if (a instanceof Map) {
      return this.#entriesEqual(a, b as Map<unknown, unknown>);
    }
    if (a instanceof Set) return this.#membersEqual(a, b as Set<unknown>);
    if (comparedAsText.has(Object.getPrototypeOf(a))) {
      return String(a) === String(b);
    }
    return this.#propertiesEqual(a as Keyed, b as Keyed);
  }

  #entriesEqual(a: Map<unknown, unknown>, b: Map<unknown, unknown>): boolean {
    if (a.size !== b.size) return false;
    const unmatched = new Map(b);
    for (const [key, value] of a) {
      const match = unmatched.has(key) ? key : this.#keyLike(key, value, unmatched);
      if (!unmatched.has(match) || !this.equal(value, unmatched.get(match))) {
        return false;
      }
      unmatched.delete(match);
    }
    return true;
  }

  #keyLike(
    key: unknown,
    value: unknown,
    entries: Map<unknown, unknown>,
  ): unknown {
    if (typeof key !== "object") return key;
    for (const [otherKey, otherValue] of entries) {
      if (this.#trial(key, otherKey) && this.#trial(value, otherValue)) {
        return otherKey;
      }
    }
    return key;
  }

  #membersEqual(a: Set<unknown>, b: Set<unknown>): boolean {
    if (a.size !== b.size) return false;
    const unmatched = new Set(b);
    const left: unknown[] = [];
    for (const member of a) if (!unmatched.delete(member)) left.push(member);
    for (const member of left) {
      const match = [...unmatched].find((other) => this.#trial(member, other));
      if (!unmatched.delete(match)) return false;
    }
    return true;
  }

  /** Compares two candidates whose difference proves nothing yet: what was assumed meanwhile is forgotten. */
  #trial(a: unknown, b: unknown): boolean {
    const before = new Map(this.#open);
    const isEqual = this.equal(a, b);
    if (!isEqual) {
      this.#open.clear();
      for (const [x, y] of before) this.#open.set(x, y);
    }
    return isEqual;
  }

  #propertiesEqual(a: Keyed, b: Keyed): boolean {
    const names = isPlain(a) ? Reflect.ownKeys({ ...a, ...b }) : namesWithInherited(a, b);
    for (const name of names) {
      if ((name in a) !== (name in b) || !this.equal(a[name], b[name])) {
        return false;
      }
    }
    return true;
  }
}

function samePrototype(a: object, b: object): boolean {
  return (Object.getPrototypeOf(a) ?? Object.prototype) ===
    (Object.getPrototypeOf(b) ?? Object.prototype);
}

function isTypedArray(value: object): value is object & ArrayLike<unknown> {
  return value instanceof TypedArray;
}

function isBuffer(value: object): value is ArrayBufferLike {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

function sameElements(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !Object.is(a[i], b[i])) return false;
  }
  return true;
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype ||
    prototype === Array.prototype;
}

function namesWithInherited(...values: object[]): Set<string | symbol> {
  const names = new Set<string | symbol>();
  for (let value of values) {
    while (
      value !== null && value !== Object.prototype && value !== Array.prototype
    ) {
      for (const name of Reflect.ownKeys(value)) names.add(name);
      value = Object.getPrototypeOf(value);
    }
  }
  return names;
}
