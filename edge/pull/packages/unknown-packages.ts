/**
 * Finds packages that do not exist, without asking an origin, by the list of names of the package
 * set (its index). An origin lists them once per revision and system, and those of a nested set
 * when something in it is first requested.
 *
 *   python3packages.flaks   the index of the set has python3Packages; its own index has no flaks
 *
 * A list is complete, so what it lacks does not exist. Where there is no list, an origin is asked
 * for the package itself, and its answer counts.
 */
import pLimit from "p-limit";
import { canonicalJson, type Scope } from "../../contract/keys.ts";
import type { IndexItem } from "../../contract/items.ts";
import { attributeFor } from "../../contract/package-index.ts";
import { type IndexRecord, MAX_INDEX_DEPTH } from "../../contract/records.ts";
import { askFarm } from "../../farm/builds/ask.ts";
import { BUCKET_REQUESTS } from "../../store/blobs.ts";
import { readNames, rememberedNames } from "../../store/package-index.ts";
import { indexRecord, readRecord, rememberedRecord } from "../../store/records.ts";
import { asWaiting, type Context } from "../context.ts";
import type { Failed } from "../failures.ts";
import { noteHeld } from "../ask-while-held.ts";
import { spendOnce, waiting } from "../limits.ts";
import { singleFlight } from "../single-flight.ts";
import { checkMayBuild } from "../permission.ts";
import { suggest } from "./suggestions.ts";

/**
 * Most unknown packages of one image that get suggestions: finding them takes 2 to 8 ms of CPU
 * each.
 */
const MAX_SUGGESTED = 10;

/** A package on its way through the sets: `path` is found, `rest` is not looked up yet. */
interface Search {
  readonly name: string;
  readonly path: readonly string[];
  readonly rest: readonly string[];
}

const searchFor = (name: string): Search => ({ name, path: [], rest: name.split(".") });

/** Whether an origin may be asked for names that are not listed yet. */
export type Asking = "asking" | "known only";

/**
 * Those of the packages that do not exist, with the nearest names that do; or that are in a set
 * which does not evaluate.
 */
export async function unknownPackages(
  context: Context,
  scope: Scope,
  names: readonly string[],
  asking: Asking = "asking",
): Promise<Failed[]> {
  const unknown: Failed[] = [];
  let open = names.map(searchFor);
  while (open.length > 0)
    open = lookUp(open, await indexesAt(context, scope, pathsOf(open), asking), unknown);
  return unknown;
}

/**
 * The same from the lists in this isolate's memory alone, so that nonsense names cost no more than
 * known ones. Packages whose lists it does not have are left out.
 */
export function unknownByMemory(
  { bucket }: Context,
  scope: Scope,
  names: readonly string[],
): Failed[] {
  const unknown: Failed[] = [];
  let open = names.map(searchFor);
  while (open.length > 0) {
    const known = new Map<string, Listing>();
    for (const path of pathsOf(open)) {
      const record = rememberedRecord(bucket, indexRecord(scope, path));
      const listing = record && listingOf(record, rememberedNames(record));
      if (listing) known.set(keyOf(path), listing);
    }
    open = lookUp(open, known, unknown);
  }
  return unknown;
}

/**
 * Looks up the next component of each package in the listing of its path, by keyOf. Packages that
 * do not exist are added to `unknown`; those with components left are returned. A package without a
 * listing is in neither.
 */
function lookUp(
  searches: readonly Search[],
  listings: ReadonlyMap<string, Listing>,
  unknown: Failed[],
): Search[] {
  return searches.flatMap(({ name, path, rest }): Search[] => {
    const listing = listings.get(keyOf(path));
    const [component, ...further] = rest;
    if (listing === undefined || component === undefined) return [];
    if ("reason" in listing) {
      unknown.push({ name, failure: listing });
      return [];
    }
    const attribute = attributeFor(listing, component);
    if (attribute === undefined) {
      const suggested = unknown.length < MAX_SUGGESTED ? suggest(listing, path, component) : [];
      unknown.push({ name, failure: failureOf(component, path, suggested) });
      return [];
    }
    const isDecided = further.length === 0 || path.length >= MAX_INDEX_DEPTH;
    return isDecided ? [] : [{ name, path: [...path, attribute], rest: further }];
  });
}

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

/** The names in a set, or why nothing in it is available. */
type Listing = readonly string[] | Failed["failure"];

const refusedBy = (path: readonly string[], reason: string): Failed["failure"] => ({
  reason: "refused",
  message: `${keyOf(path)}: ${reason}`,
});

/** Null when the names of a set that evaluates are not available. */
const listingOf = (
  { path, refused }: IndexRecord,
  names: readonly string[] | null,
): Listing | null => (refused === undefined ? names : refusedBy(path, refused));

/** The names at each path, by keyOf, except those that are not available now. */
async function indexesAt(
  context: Context,
  scope: Scope,
  paths: readonly (readonly string[])[],
  asking: Asking,
): Promise<Map<string, Listing>> {
  const limit = pLimit(BUCKET_REQUESTS);
  const found = new Map<string, Listing>();
  const take = async (record: IndexRecord | null): Promise<void> => {
    if (record === null) return;
    const names = record.refused === undefined ? await readNames(context.bucket, record) : null;
    const listing = listingOf(record, names);
    if (listing) found.set(keyOf(record.path), listing);
  };
  await Promise.all(
    paths.map((path) =>
      limit(async () => take(await readRecord(context.bucket, indexRecord(scope, path)))),
    ),
  );
  const missing = paths.filter((path) => !found.has(keyOf(path)));
  if (missing.length > 0 && asking === "asking")
    for (const record of await askForIndexes(context, scope, missing)) await take(record);
  return found;
}

/** Has an origin list names. Throws when the caller may not start a build. */
export async function askForIndexes(
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
    singleFlight(canonicalJson(items), async () => {
      spendOnce(context, "indexes", paths.map(keyOf));
      await noteHeld(context, items);
      return askFarm(context.env, items, asWaiting(context));
    }),
  );
  if (answer.state !== "done") return [];
  return answer.results.flatMap((result) => (result.kind === "index" ? [result.record] : []));
}
