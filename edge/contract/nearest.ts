/** Suggests existing package names for one that does not exist, in the spelling of image names. */
import * as v from "valibot";
import { typedName } from "./package-index.ts";
import { ComponentSchema } from "./records.ts";

/** Most names suggested. */
const MAX_NEAREST = 5;
/** Most edits: more take long to search for among 25,000 names, and lead to unrelated words. */
const MAX_EDITS = 3;

/**
 * `attributes`: the names in the set where the search ended, in Nix's spelling; `path`: the
 * attributes that lead to it; `wanted`: the component that does not exist. A name is near within
 * one edit per three letters (at least one, at most MAX_EDITS; swapping neighbours is one edit), or
 * when it begins with the wanted one (`python` → python3, `node` → nodejs). Fewest edits first,
 * then alphabetically.
 */
export function nearest(
  attributes: readonly string[],
  path: readonly string[],
  wanted: string,
): string[] {
  const limit = Math.min(MAX_EDITS, Math.max(1, Math.floor(wanted.length / 3)));
  const prefix = path.map((attribute) => `${typedName(attribute)}.`).join("");
  const scores = new Map<string, number>();
  const letters = lettersOf(attributes);
  const sought = lettersIn(wanted);
  const begins = wanted.length >= MIN_BEGINNING;
  for (const [at, attribute] of attributes.entries()) {
    const own = letters[at] ?? 0;
    const spelt = bits(sought & ~own) <= limit && bits(own & ~sought) <= limit;
    if (!spelt && (!begins || (sought & ~own) !== 0)) continue;
    if (!mayBeNear(attribute, wanted, limit)) continue;
    const name = typedName(attribute);
    const edits = distance(wanted, name, limit);
    // Longer names that begin with it come after every misspelling, shortest first.
    const longer = begins && name.startsWith(wanted);
    const score = edits <= limit ? edits : longer ? limit + name.length : Infinity;
    if (score !== Infinity && v.is(ComponentSchema, prefix + name))
      scores.set(prefix + name, score);
  }
  return [...scores]
    .sort(([a, scoreA], [b, scoreB]) => scoreA - scoreB || (a < b ? -1 : 1))
    .slice(0, MAX_NEAREST)
    .map(([name]) => name);
}

/**
 * The set of letters and digits of each name, as bits (p to y share theirs with the digits). One
 * edit adds at most one letter and removes at most one, so names whose sets differ in more are not
 * near: this rules out most names without computing their distance. Cached per list.
 */
const letterSets = new WeakMap<readonly string[], Int32Array>();

function lettersOf(attributes: readonly string[]): Int32Array {
  let sets = letterSets.get(attributes);
  if (sets === undefined)
    letterSets.set(attributes, (sets = Int32Array.from(attributes, lettersIn)));
  return sets;
}

function lettersIn(name: string): number {
  let set = 0;
  for (let at = 0; at < name.length; at += 1) {
    const code = name.charCodeAt(at);
    // Capitals and small letters have the same last five bits. Anything but a letter or digit may
    // be an `_` that an image name does not have.
    if (code >= ZERO && (code <= NINE || code > AT) && code !== UNDERSCORE) set |= 1 << (code & 31);
  }
  return set;
}
const [ZERO, NINE, AT, UNDERSCORE] = [..."09@_"].map((letter) => letter.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
];

/** Number of bits that are set. */
function bits(set: number): number {
  let count = 0;
  for (let rest = set; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

/**
 * Whether the distance is worth computing: most names are too short, or too long and begin
 * differently.
 */
function mayBeNear(attribute: string, wanted: string, limit: number): boolean {
  const longer = attribute.length - wanted.length;
  // One more, for the `_` before a leading digit.
  if (longer <= limit + 1) return longer >= -limit;
  const first = attribute.charAt(0);
  return first === "_" || first.toLowerCase() === wanted.charAt(0);
}

/** Fewest letters that count as the beginning of a name. */
const MIN_BEGINNING = 3;

/** The rows of `distance`, reused because it is called for thousands of names. */
const rows: [number[], number[], number[]] = [[], [], []];

/**
 * Number of edits (insert, delete, replace, swap neighbours) between two words; Infinity above
 * `limit`. Only cells within `limit` of the diagonal are computed (no others can be within it), and
 * the search ends at the first row that is above the limit everywhere.
 */
export function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return Infinity;
  const far = limit + 1;
  let [before, last, row] = rows;
  for (let j = 0; j <= Math.min(b.length, far); j += 1) last[j] = j;
  for (let i = 1; i <= a.length; i += 1) {
    const from = Math.max(1, i - limit);
    const to = Math.min(b.length, i + limit);
    let least = (row[from - 1] = from === 1 ? Math.min(i, far) : far);
    if (to < b.length) row[to + 1] = far;
    for (let j = from; j <= to; j += 1) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1);
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (
        i > 1 &&
        j > 1 &&
        a.charCodeAt(i - 1) === b.charCodeAt(j - 2) &&
        a.charCodeAt(i - 2) === b.charCodeAt(j - 1)
      )
        cost = Math.min(cost, before[j - 2]! + 1);
      row[j] = cost;
      if (cost < least) least = cost;
    }
    if (least > limit) return Infinity;
    [before, last, row] = [last, row, before];
  }
  const edits = last[b.length] ?? Infinity;
  return edits <= limit ? edits : Infinity;
}
