/**
 * The list of versions and descriptions of a package set's packages, published beside its index
 * where the set has one. It is text, since an isolate keeps the list of all of nixpkgs (2 MB) in
 * memory:
 *
 *   attribute TAB version TAB description NEWLINE        sorted by attribute, unique
 */

/** Largest such list, bytes: nixpkgs' top level takes 2 MB. */
export const MAX_ABOUT_BYTES = 6 * 2 ** 20;
/** Longest version and description that are kept, characters: a line on a screen. */
const MAX_VERSION = 60;
const MAX_DESCRIPTION = 160;

export interface About {
  readonly version: string;
  readonly description: string;
}

/** Encodes the list. Attributes that contain a tab are left out; no index has them. */
export function encodeAbout(entries: ReadonlyMap<string, About>): Uint8Array<ArrayBuffer> {
  const lines = [...entries]
    .filter(([attribute]) => !/[\t\n]/.test(attribute))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([attribute, { version, description }]) =>
      [attribute, oneLine(version, MAX_VERSION), oneLine(description, MAX_DESCRIPTION)].join("\t"),
    );
  return new TextEncoder().encode(
    lines.map((line) => `${line}\n`).join(""),
  ) as Uint8Array<ArrayBuffer>;
}

const oneLine = (text: string, max: number): string => {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
  return line.length <= max ? line : `${line.slice(0, max - 1).trimEnd()}…`;
};

/** A list in memory: one text, without an object for each line. */
export class PackageAbout {
  readonly #text: string;
  /** The same in lower case. */
  readonly #lower: string;

  constructor(text: string) {
    this.#text = text;
    // Each letter must be at the same position in both; only İ has a longer lower case.
    this.#lower = text.replaceAll("İ", "I").toLowerCase();
  }

  /** Characters in memory. */
  get length(): number {
    return this.#text.length + this.#lower.length;
  }

  /** The entry of an attribute, by binary search over the sorted lines. */
  find(attribute: string): About | undefined {
    const text = this.#text;
    let [low, high] = [0, text.length];
    while (low < high) {
      const start = text.lastIndexOf("\n", Math.floor((low + high) / 2) - 1) + 1;
      const tab = text.indexOf("\t", start);
      const end = text.indexOf("\n", start);
      if (tab < 0 || end < 0 || tab > end) return undefined;
      const found = text.slice(start, tab);
      if (found === attribute) {
        const [version = "", description = ""] = text.slice(tab + 1, end).split("\t");
        return { version, description };
      }
      if (found < attribute) low = end + 1;
      else high = start;
    }
    return undefined;
  }

  /** Attributes whose description contains all of these lower-case words; at most `max`. */
  describedBy(words: readonly string[], max: number): string[] {
    const [first, ...others] = words;
    const found: string[] = [];
    if (first === undefined) return found;
    for (let at = this.#lower.indexOf(first); at >= 0 && found.length < max;) {
      const start = this.#lower.lastIndexOf("\n", at) + 1;
      const end = this.#lower.indexOf("\n", at);
      if (end < 0) break;
      const line = this.#lower.slice(start, end);
      const from = line.lastIndexOf("\t");
      if ([first, ...others].every((word) => line.includes(word, from)))
        found.push(this.#text.slice(start, this.#text.indexOf("\t", start)));
      at = this.#lower.indexOf(first, end);
    }
    return found;
  }
}
