/**
 * Packages that do not exist, told without an origin: from the names of the package set (its index),
 * which an origin lists once for a revision and system, and those of a nested set when it is first
 * asked for.
 *
 *   python3packages.flaks   the index of the set has python3Packages; its own index has no flaks
 *
 * A list is complete, so what it lacks does not exist. Where none can be had, an origin is asked for
 * the package itself, and its answer counts.
 */
import pLimit from "p-limit";
import { canonicalJson, type Scope } from "../contract/keys.ts";
import type { IndexItem } from "../contract/items.ts";
import { nearest } from "../contract/nearest.ts";
import { attributeFor } from "../contract/package-index.ts";
import { type IndexRecord, MAX_INDEX_DEPTH } from "../contract/records.ts";
import { askFarm } from "../farm/ask.ts";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import { readNames } from "../store/package-index.ts";
import { memory } from "../store/memory.ts";
import { indexRecord, readRecord } from "../store/records.ts";
import { asWaiting, type Context } from "./context.ts";
import type { Failed } from "./failures.ts";
import { noteHeld } from "./held.ts";
import { spendOnce, waiting } from "./limits.ts";
import { once } from "./once.ts";
import { checkMayBuild } from "./permission.ts";

/** Most unknown packages of one image with suggestions: finding them takes 2 to 8 ms of CPU for each. */
const MAX_SUGGESTED = 10;
/**
 * Suggestions that an isolate looks for in a second: a tenth of its time at most, however many clients
 * ask for nonsense. Further ones are told without: a 404 is as right.
 */
const SUGGESTED_A_SECOND = 10;
/** Suggestions that are left over from quiet seconds, at most. */
const SUGGESTED_AT_ONCE = 50;

/** A package on its way through the sets: `path` is found, `rest` is not looked up yet. */
interface Search {
  readonly name: string;
  readonly path: readonly string[];
  readonly rest: readonly string[];
}

/**
 * Those of the packages that do not exist, with the nearest names that do, or that lie in a set which
 * does not evaluate.
 */
export async function unknownPackages(
  context: Context,
  scope: Scope,
  names: readonly string[],
): Promise<Failed[]> {
  const unknown: Failed[] = [];
  let open = names.map((name): Search => ({ name, path: [], rest: name.split(".") }));
  while (open.length > 0) {
    const indexes = await indexesAt(context, scope, pathsOf(open));
    const next: Search[] = [];
    for (const { name, path, rest } of open) {
      const index = indexes.get(keyOf(path));
      const [component, ...further] = rest;
      if (index === undefined || component === undefined) continue;
      if ("reason" in index) {
        unknown.push({ name, failure: index });
        continue;
      }
      const attribute = attributeFor(index, component);
      if (attribute === undefined) {
        const suggested = unknown.length < MAX_SUGGESTED ? suggest(index, path, component) : [];
        unknown.push({ name, failure: failureOf(component, path, suggested) });
      } else if (further.length > 0 && path.length < MAX_INDEX_DEPTH)
        next.push({ name, path: [...path, attribute], rest: further });
    }
    open = next;
  }
  return unknown;
}

/** The nearest names, as long as there is time for them, or somebody got them a moment ago. */
function suggest(index: readonly string[], path: readonly string[], component: string): string[] {
  let known = suggestions.get(index);
  if (known === undefined)
    suggestions.set(
      index,
      (known = memory(SUGGESTIONS_BYTES, (names) => 2 * names.join("").length)),
    );
  const before = known.get(component);
  if (before !== undefined) return before;
  const now = Date.now();
  const left = budget.left + ((now - budget.at) / 1_000) * SUGGESTED_A_SECOND;
  if (left < 1) return [];
  budget = { at: now, left: Math.min(left, SUGGESTED_AT_ONCE) - 1 };
  const names = nearest(index, path, component);
  known.set(component, names);
  return names;
}
let budget = { at: 0, left: 0 };
/** About 500 for each list: docker asks by HEAD and then by GET, and people try again. */
const SUGGESTIONS_BYTES = 2 ** 17;
const suggestions = new WeakMap<readonly string[], ReturnType<typeof memory<string[]>>>();

const keyOf = (path: readonly string[]): string => path.join(".");

const pathsOf = (searches: readonly Search[]): (readonly string[])[] => [
  ...new Map(searches.map(({ path }) => [keyOf(path), path])).values(),
];

/** In the words of an origin (origin/nix/evaluate/unbuildable.ts). */
const failureOf = (
  component: string,
  path: readonly string[],
  suggested: readonly string[],
): Failed["failure"] => ({
  reason: "unknown",
  message:
    path.length === 0
      ? `there is no package ${component}`
      : `there is no ${component} in ${keyOf(path)}`,
  ...(suggested.length > 0 ? { nearest: [...suggested] } : {}),
});

/** The names in a set, or why nothing in it can be had. */
type Listing = readonly string[] | Failed["failure"];

const refusedBy = (path: readonly string[], reason: string): Failed["failure"] => ({
  reason: "refused",
  message: `${keyOf(path)}: ${reason}`,
});

/** The names at each path, by keyOf; without those that cannot be had now. */
async function indexesAt(
  context: Context,
  scope: Scope,
  paths: readonly (readonly string[])[],
): Promise<Map<string, Listing>> {
  const limit = pLimit(BUCKET_REQUESTS);
  const found = new Map<string, Listing>();
  const take = async (record: IndexRecord | null): Promise<void> => {
    if (record === null) return;
    const names =
      record.refused === undefined
        ? await readNames(context.bucket, record)
        : refusedBy(record.path, record.refused);
    if (names !== null) found.set(keyOf(record.path), names);
  };
  await Promise.all(
    paths.map((path) =>
      limit(async () => take(await readRecord(context.bucket, indexRecord(scope, path)))),
    ),
  );
  const missing = paths.filter((path) => !found.has(keyOf(path)));
  if (missing.length > 0)
    for (const record of await askForIndexes(context, scope, missing)) await take(record);
  return found;
}

/** Has an origin list names. Throws when the caller may not have anything built. */
async function askForIndexes(
  context: Context,
  { packageSet, revision, system }: Scope,
  paths: readonly (readonly string[])[],
): Promise<IndexRecord[]> {
  checkMayBuild(context);
  const items = paths.map((path): IndexItem => ({
    kind: "index",
    packageSet,
    revision,
    system,
    path: [...path],
  }));
  const answer = await waiting(context, () =>
    once(canonicalJson(items), async () => {
      spendOnce(context, "indexes", paths.map(keyOf));
      await noteHeld(context, items);
      return askFarm(context.env, items, asWaiting(context));
    }),
  );
  if (answer.state !== "done") return [];
  return answer.results.flatMap((result) => (result.kind === "index" ? [result.record] : []));
}
