/**
 * `unicodeWidth` as in `@std/cli/unicode-width`, over the properties that the regular expressions of the
 * language know instead of the tables of the real one: widths of rare symbols may differ.
 *
 * @module
 */

/** Controls, marks that combine with the character before, and characters that are never drawn. */
const noColumn = /^(?!\u00ad)[\p{Cc}\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}\u1160-\u11ff]$/u;

/** Characters that fill two columns: East Asian scripts, their punctuation, full-width forms, emoji. */
const twoColumns =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u3247\u3250-\ua4c6\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1aff0}-\u{1b2fb}\u{20000}-\u{3fffd}\p{Emoji_Presentation}]$/u;

/**
 * Tells how many columns of a terminal a text fills. Escape sequences must have been taken out.
 *
 * @example
 * ```ts
 * import { unicodeWidth } from "@std/cli/unicode-width";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(unicodeWidth("hello"), 5);
 * assertEquals(unicodeWidth("天地"), 4);
 * ```
 */
export function unicodeWidth(str: string): number {
  let columns = 0;
  for (const character of str) {
    if (noColumn.test(character)) continue;
    columns += twoColumns.test(character) ? 2 : 1;
  }
  return columns;
}
