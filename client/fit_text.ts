import { unicodeWidth } from "@std/cli/unicode-width";

/** Cuts text to a number of columns; what is cut ends in `…`. */
export function fitText(text: string, columns: number): string {
  if (unicodeWidth(text) <= columns) return text;
  let left = columns - 1;
  let fitted = "";
  for (const character of text) {
    left -= unicodeWidth(character);
    if (left < 0) break;
    fitted += character;
  }
  return columns < 1 ? "" : fitted + "…";
}
