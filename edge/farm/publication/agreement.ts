/**
 * Agreement (AGREE): a result counts when that many origins of different owners made the same.
 *
 *   AGREE=2   a (owner x) makes git: statement S, layers K1 → X1, K2 → X2   kept for now
 *             b (owner x) is not asked: it does not count as another owner
 *             c (owner y) makes git: S, K1 → X1, K2 → X2, other compressed digests   stored
 *             c makes S, K1 → X1, K2 → Y instead     a difference: the log names a and c, and what
 *                                                    differs; a third owner decides
 *
 * What is compared is the unpacked contents of an image: everything that is stated, except how
 * layers were compressed, and except what closures say about each origin's own Nix.
 */
import { canonicalJson } from "../../contract/keys.ts";
import type { Item, Result } from "../../contract/items.ts";
import type { SignedLayer } from "../../contract/records.ts";
import { note } from "../../log.ts";

/** What one origin made of an item. */
export interface Candidate {
  readonly origin: string;
  /** The public key with which the origin signed it. */
  readonly key: string;
  readonly owner: string;
  readonly result: Exclude<Result, { kind: "failure" }>;
  /** Its own statements about the layers that the item needs. */
  readonly layers: readonly SignedLayer[];
  /** Everything that another origin must have made too, by name. */
  readonly content: Readonly<Record<string, string>>;
}

/**
 * Returned instead of a stored result: the origin made the item, and an origin of another owner
 * must make the same before it counts. The item goes back into the queue, for origins of owners
 * that have not made it yet; what was made so far is kept (candidates.ts).
 */
export interface AnotherOwner {
  readonly kind: "another-owner";
}

/**
 * What is compared of a result. `contents`: the unpacked contents of each layer, by key; `closure`:
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

/** Names of what differs between two candidates. */
export function differences(a: Candidate["content"], b: Candidate["content"]): string[] {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].filter((name) => a[name] !== b[name]).sort();
}

/** The candidates that made the same as `latest`, one for each owner, when they are enough. */
export function agreeing(
  candidates: readonly Candidate[],
  latest: Candidate,
  agree: number,
): Candidate[] | null {
  const same = candidates.filter(
    ({ content }) => differences(content, latest.content).length === 0,
  );
  const all = [...same, latest];
  return new Set(all.map(({ owner }) => owner)).size >= agree ? all : null;
}

/** Longest candidate as JSON, characters: a row of SQLite has 2 MB at most. */
export const MAX_CANDIDATE = 1_500_000;

/** Most names of differences in the log; the rest is of the same kind. */
const MAX_TOLD = 10;

/** Logs a difference for the operator: which origins, and what differs. */
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
