/**
 * Gets the package records of an image: from the bucket, or, for packages that were never requested
 * before, from an origin, all in one request to the farm.
 */
import pLimit from "p-limit";
import type { ImageScope, Scope } from "../../contract/keys.ts";
import type { PackageItem } from "../../contract/items.ts";
import type { ImageRequest } from "../../contract/names.ts";
import type { Descriptor, PackageRecord, System } from "../../contract/records.ts";
import type { Outcome } from "../../farm/builds/ask.ts";
import { BUCKET_REQUESTS } from "../../store/blobs.ts";
import { packageRecord, readRecord } from "../../store/records.ts";
import { buildLogUrl } from "../build-log.ts";
import type { Context } from "../context.ts";
import { askWhileHeld } from "../ask-while-held.ts";
import { spendOnce } from "../limits.ts";
import { checkMayBuild } from "../permission.ts";
import type { WantedSystems } from "../wanted-systems.ts";
import { unknownByMemory, unknownPackages } from "./unknown-packages.ts";
import { type Failed, notDone, packagesFailed } from "../failures.ts";
import { builtForThisPull, packagesForPeople } from "../packages-in-words.ts";

/**
 * One record for each of `request.names`, in their order. Throws the errors of packagesFailed and
 * notDone.
 */
export async function packageRecords(
  context: Context,
  scope: Scope,
  request: ImageRequest,
): Promise<PackageRecord[]> {
  const known = await knownRecords(context, scope, request.names);
  const missing = request.names.filter((_, index) => known[index] === null);
  const published =
    missing.length > 0
      ? await publish(context, scope, request, missing)
      : new Map<string, PackageRecord>();
  return request.names.map((name, index) => {
    const record = known[index] ?? published.get(name);
    if (record === undefined)
      throw new Error(`the farm published ${name}, but answered without its record`);
    return record;
  });
}

/**
 * Throws the error of packagesFailed when this isolate's memory tells that no system has all the
 * packages, before the bucket is searched for an image that cannot be there.
 */
export function refuseUnknown(
  context: Context,
  scope: ImageScope,
  { request, wanted }: { readonly request: ImageRequest; readonly wanted: WantedSystems },
): void {
  const { asked = wanted.all[0], all, only } = wanted;
  const unknownFor = (system: System): Failed[] =>
    unknownByMemory(context, { ...scope, system }, request.requested);
  const unknown = asked === undefined ? [] : unknownFor(asked);
  const others = only ? [] : all.filter((system) => system !== asked);
  if (unknown.length > 0 && others.every((system) => unknownFor(system).length > 0))
    refuse(context, request, unknown);
}

function refuse(context: Context, request: ImageRequest, unknown: readonly Failed[]): void {
  if (unknown.length === 0) return;
  spendOnce(context, "unknown", [request.name]);
  throw packagesFailed(unknown, request, { blob: logUrlOf(context, request) });
}

/** The records that the bucket has, null for the others, in the order of the names. */
export function knownRecords(
  { bucket }: Context,
  scope: Scope,
  names: readonly string[],
): Promise<(PackageRecord | null)[]> {
  const limit = pLimit(BUCKET_REQUESTS);
  return Promise.all(
    names.map((name) => limit(() => readRecord(bucket, packageRecord(scope, name)))),
  );
}

/** What the farm is asked for: a package's record, or the layers of one more level of it. */
export const packageItem = (
  { packageSet, revision, system, plan }: Scope,
  wanted: Pick<PackageItem, "name" | "level">,
): PackageItem => ({ kind: "package", packageSet, revision, system, plan, ...wanted });

/**
 * Has an origin build and publish packages, if all requested ones exist. Before it answers, the
 * farm has validated the records, checked that their blobs are in the bucket, and written them.
 */
async function publish(
  context: Context,
  scope: Scope,
  request: ImageRequest,
  names: readonly string[],
): Promise<Map<string, PackageRecord>> {
  const requested = names.filter((name) => request.requested.includes(name));
  refuse(context, request, await unknownPackages(context, scope, requested));
  const items = names.map((name) => packageItem(scope, { name }));
  const doing = `building ${packagesForPeople(names, request)}`;
  const results = await askForPackages(context, { scope, request }, items, { doing });
  return new Map(
    results.flatMap((result) =>
      result.kind === "package" ? [[result.record.name, result.record] as const] : [],
    ),
  );
}

/**
 * Has an origin make packages or levels; returns one outcome for each, none of them a failure.
 * `doing`: for people; `lost`: see the farm's `ask`. Throws when the caller may not start a build,
 * and the errors of packagesFailed and notDone. The person who pulls is told that it was built for
 * them.
 */
export async function askForPackages(
  context: Context,
  { scope, request }: { readonly scope: Scope; readonly request: ImageRequest },
  items: readonly PackageItem[],
  { doing, lost }: { readonly doing: string; readonly lost?: readonly Descriptor[] },
): Promise<readonly Outcome[]> {
  checkMayBuild(context);
  const things = items.map(({ name, level = "" }) => `${name}~${level}`);
  spendOnce(context, "packages", things);
  const build = await buildLogUrl(context, items);
  const answer = await askWhileHeld(context, items, lost);
  if (answer.state !== "done")
    throw notDone(answer, {
      doing,
      system: scope.system,
      held: context.config.buildWait,
      log: build,
    });
  const failures = items.flatMap(({ name }, at): Failed[] => {
    const result = answer.results[at];
    return result?.kind === "failure" ? [{ name, failure: result.failure }] : [];
  });
  if (failures.length > 0)
    throw packagesFailed(failures, request, { blob: logUrlOf(context, request), build });
  const names = [...new Set(items.map(({ name }) => name))];
  const system = context.config.systems.length > 1 ? scope.system : undefined;
  context.warnings.push(builtForThisPull(names, request, { log: build, system }));
  return answer.results;
}

const logUrlOf =
  ({ url }: Context, { name }: ImageRequest) =>
  (digest: string): string =>
    new URL(`/v2/${name}/blobs/${digest}`, url).href;
