/** The attribute names of a package set and of its nested sets, remembered. */
import { LRUCache } from "lru-cache";
import { attributeNames } from "./describe.ts";
import type { Evaluation } from "./restricted.ts";

/** Lists of attribute names kept in memory; one of nixpkgs takes about 2 MB. */
const MAX_LISTS = 16;

/** The names of one package set. */
export class KnownNames {
  readonly #lists = new LRUCache<string, Promise<string[]>>({ max: MAX_LISTS });

  /** Attribute names at `path`. All jobs that need a list share one evaluation. */
  at(
    evaluation: Evaluation & { readonly revision: string },
    path: readonly string[],
  ): Promise<string[]> {
    const key = JSON.stringify([evaluation.revision, evaluation.system, path]);
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    // Shared by jobs, so none of them may abort it.
    const list = attributeNames({ ...evaluation, signal: undefined, log: undefined }, path);
    this.#lists.set(key, list);
    list.catch(() => this.#lists.delete(key));
    return list;
  }
}
