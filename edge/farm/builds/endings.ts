/**
 * How the items of one build ended, as far as it is known. The items of one build may end hours
 * apart, and an operator may withdraw a record meanwhile. So a record that was seen a while ago is
 * read again before it is given out, and an item whose record is gone has not ended.
 */
import type { Item } from "../../contract/items.ts";
import type { Descriptor } from "../../contract/records.ts";
import type { Bucket } from "../../store/bucket.ts";
import { type Answer, type Ending, itemKey, namesOneOf } from "./answer.ts";
import { memoryOf } from "./ending-memory.ts";
import { standing } from "./standing.ts";

interface Seen {
  readonly ending: Ending;
  /** When it was known to stand, ms since 1970. */
  readonly at: number;
}

export class Endings {
  #items: readonly Item[] = [];
  /** By itemKey. Some may arrive before `begin`: for an object that was lost, and is made anew. */
  readonly #seen = new Map<string, Seen>();

  /** Empty until `begin`. */
  get items(): readonly Item[] {
    return this.#items;
  }

  begin(items: readonly Item[]): void {
    this.#items = items;
  }

  add(endings: ReadonlyMap<string, Ending>, now: number): void {
    for (const [key, ending] of endings) this.#seen.set(key, { ending, at: now });
  }

  clear(): void {
    this.#seen.clear();
  }

  /** The items that have not ended. */
  get missing(): Item[] {
    return this.#items.filter((item) => !this.#seen.has(itemKey(item)));
  }

  /** The answer to who wants all items; undefined while one is missing, and before `begin`. */
  answer(): Answer | undefined {
    const endings = this.#items.map((item) => this.#seen.get(itemKey(item))?.ending);
    if (endings.length === 0 || endings.includes(undefined)) return undefined;
    const unmade = endings.find((ending) => typeof ending === "string");
    if (unmade !== undefined) return { state: unmade };
    return { state: "done", results: endings.filter((ending) => typeof ending === "object") };
  }

  /** How long they are remembered together, ms. */
  memory(): number {
    return Math.min(...Array.from(this.#seen.values(), ({ ending }) => memoryOf(ending)));
  }

  /** Whether one of the records names one of these blobs. */
  nameOneOf(lost: readonly Descriptor[]): boolean {
    return Array.from(this.#seen.values()).some(({ ending }) => namesOneOf(ending, lost));
  }

  /**
   * Reads again the records that were seen before `before`, ms since 1970. Returns the items whose
   * records are gone: they have not ended any more.
   */
  async refresh(bucket: Bucket, before: number): Promise<readonly Item[]> {
    const now = Date.now();
    const old = this.#items.flatMap((item) => {
      const seen = this.#seen.get(itemKey(item));
      return seen !== undefined && seen.at <= before ? [{ item, ending: seen.ending }] : [];
    });
    const found = await standing(bucket, old);
    return old.flatMap(({ item, ending }) => {
      const key = itemKey(item);
      const current = found.get(key);
      // Told anew meanwhile.
      if (current === undefined || this.#seen.get(key)?.ending !== ending) return [];
      if (current !== null) this.#seen.set(key, { ending: current, at: now });
      else this.#seen.delete(key);
      return current === null ? [item] : [];
    });
  }
}
