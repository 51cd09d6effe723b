/** Suggests existing names for one that does not exist, as they are in an image name. */
import { ComponentSchema } from "../../../edge/contract/records.ts";
import * as v from "valibot";

/** Most names suggested. */
export const MAX_NEAREST = 5;

/**
 * `attributes`: the names at the level where the search ended, as Nix spells them; `path`: the
 * attributes above it; `wanted`: the component that does not exist. A name is near within
 * one edit per three letters (at least one; a swap of neighbours is one edit), or when it begins
 * with the wanted one (`python` → python3, `node` → nodejs). Fewest edits first, then in
 * alphabetical order.
 */
export function nearest(
  attributes: readonly string[],
  path: readonly string[],
  wanted: string,
): string[] {
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const prefix = path.map((attribute) => `${typed(attribute)}.`).join("");
  const scored: { name: string; score: number }[] = [];
  for (const name of new Set(attributes.map(typed))) {
    const edits = distance(wanted, name, limit);
    const begins = wanted.length >= MIN_BEGINNING && name.startsWith(wanted);
    // A longer name that only begins the same comes after every misspelling, the shortest first.
    const score = edits <= limit ? edits : begins ? limit + name.length : Infinity;
    if (score !== Infinity && v.is(ComponentSchema, prefix + name))
      scored.push({ name: prefix + name, score });
  }
  scored.sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1));
  return scored.slice(0, MAX_NEAREST).map(({ name }) => name);
}

/** Fewest letters that count as the beginning of a name. */
const MIN_BEGINNING = 3;

/**
 * How an attribute is written in an image name: lower case, without the `_` before a leading digit.
 */
function typed(attribute: string): string {
  return attribute.toLowerCase().replace(/^_(?=[0-9])/, "");
}

/**
 * Edits (insert, delete, replace, swap neighbours) between two words; anything above `limit` is
 * Infinity. Rows are cut off as soon as they pass it.
 */
export function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return Infinity;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    if (Math.min(...row) > limit) return Infinity;
    before = last;
    last = row;
  }
  const edits = last[b.length] ?? Infinity;
  return edits <= limit ? edits : Infinity;
}
