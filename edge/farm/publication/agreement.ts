/**
 * Agreement (AGREE): a result counts when that many origins of different owners made the same.
 *
 *   AGREE=2   a (owner x) makes git: statement S, layers K1 → X1, K2 → X2   kept; another's turn
 *             b (owner x) is not asked: it vouches for nothing that a says
 *             c (owner y) makes git: S, K1 → X1, K2 → X2, other compressed digests   stored
 *             c makes S, K1 → X1, K2 → Y instead     a difference: the log names a and c, and what
 *                                                    differs; a third owner decides
 *
 * What is compared is what is in an image once it is unpacked: all that is stated but how layers
 * were compressed, and of closures all but what each origin's own Nix says of it.
 */
import { canonicalJson } from "../../contract/keys.ts";
import type { Item, Result } from "../../contract/items.ts";
import type { SignedLayer } from "../../contract/records.ts";
import { note } from "../../log.ts";

/** What an origin made of an item. */
export interface Candidate {
  readonly origin: string;
  /** The public key with which the origin signed it. */
  readonly key: string;
  readonly owner: string;
  readonly result: Exclude<Result, { kind: "failure" }>;
  /** Its own statements of the layers that the item needs. */
  readonly layers: readonly SignedLayer[];
  /** All that another origin must have made as well, by name. */
  readonly content: Readonly<Record<string, string>>;
}

/**
 * In the place of a result that publication has stored: the origin made the item, and another one
 * of another owner is to make the same before it counts. The item goes back into the queue, for
 * origins of owners that have not made it; what was made so far is remembered (candidates.ts).
 */
export interface AnotherOwner {
  readonly kind: "another-owner";
}

/**
 * What is compared of a result. `contents`: of each layer, by key, once it is unpacked; `closure`:
 * what a package's closure says, whoever made it.
 */
export function contentOf(
  result: Candidate["result"],
  contents: ReadonlyMap<string, string>,
  closure?: string,
): Record<string, string> {
  const layers = [...contents].map(([key, content]) => [`layer ${key}`, content]);
  switch (result.kind) {
    case "revision":
      return { revision: result.revision };
    case "level":
      return { level: String(result.level), ...Object.fromEntries(layers) };
    case "package":
    case "index": {
      const fields = Object.entries(result.statement).map(([field, value]) => [
        field,
        canonicalJson(value),
      ]);
      return {
        ...Object.fromEntries([...fields, ...layers]),
        ...(closure === undefined ? {} : { closure }),
      };
    }
  }
}

/** Names of what differs between two. */
export function differences(a: Candidate["content"], b: Candidate["content"]): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => a[name] !== b[name]).sort();
}

/** Those that made the same as `latest`, one of each owner, when they are enough. */
export function agreeing(
  candidates: readonly Candidate[],
  latest: Candidate,
  agree: number,
): Candidate[] | null {
  const same = candidates.filter(
    ({ content, owner }) =>
      owner !== latest.owner && differences(content, latest.content).length === 0,
  );
  const all = [...same, latest];
  return new Set(all.map(({ owner }) => owner)).size >= agree ? all : null;
}

/** Longest candidate as JSON, characters: a row of SQLite has 2 MB at most. */
export const MAX_CANDIDATE = 1_500_000;

/** Names of what differs that the log tells; the rest is of the same kind. */
const MAX_TOLD = 10;

/** A difference between two, for the operator: which origins, and what differs. */
export function tellDifference(item: Item, a: Candidate, b: Candidate): void {
  const differs = differences(a.content, b.content);
  if (differs.length === 0) return;
  note(item.kind === "tag" ? "warn" : "error", "agreement.difference", {
    item,
    origins: [a.origin, b.origin],
    owners: [a.owner, b.owner],
    differs: differs.slice(0, MAX_TOLD).map((name) => ({
      name,
      values: [a.content[name]?.slice(0, 200), b.content[name]?.slice(0, 200)],
    })),
    more: Math.max(0, differs.length - MAX_TOLD),
  });
}
