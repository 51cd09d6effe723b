/**
 * The package records of an image: those that the bucket has, and from an origin those that nobody
 * has asked for before, all of them in one job.
 */
import pLimit from "p-limit";
import type { Scope } from "../contract/keys.ts";
import type { PublishJob } from "../contract/messages.ts";
import type { ImageRequest } from "../contract/names.ts";
import type { PackageRecord } from "../contract/records.ts";
import { askFarm } from "../farm/ask.ts";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import { packageRecord, readRecord } from "../store/records.ts";
import { type Context, timeLeft } from "./context.ts";
import { spend, waiting } from "./limits.ts";
import { checkMayBuild } from "./permission.ts";
import { type Failed, notDone, packagesFailed, packagesForPeople } from "./failures.ts";

/**
 * One record for each of `request.names`, in their order. Throws what packagesFailed and notDone
 * make.
 */
export async function packageRecords(
  context: Context,
  scope: Scope,
  request: ImageRequest,
): Promise<PackageRecord[]> {
  const limit = pLimit(BUCKET_REQUESTS);
  const known = await Promise.all(
    request.names.map((name) =>
      limit(() => readRecord(context.bucket, packageRecord(scope, name))),
    ),
  );
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

/** The job that has an origin publish items of a scope. */
export const publishJob = (
  { packageSet, revision, system, plan }: Scope,
  items: PublishJob["items"],
): PublishJob => ({ kind: "publish", packageSet, revision, system, plan, items });

/**
 * Has an origin build and publish packages. Before it answers, the farm has validated the records,
 * found their blobs in the bucket, and written them.
 */
async function publish(
  context: Context,
  scope: Scope,
  request: ImageRequest,
  names: readonly string[],
): Promise<Map<string, PackageRecord>> {
  const job = publishJob(
    scope,
    names.map((name) => ({ name })),
  );
  checkMayBuild(context);
  spend(context, "packages", names.length);
  const answer = await waiting(context, () => askFarm(context.env, job, timeLeft(context)));
  const logUrl = (digest: string): string =>
    new URL(`/v2/${request.name}/blobs/${digest}`, context.url).href;
  if (answer.state === "failed") {
    const failures = names.map((name) => ({ name, failure: answer.failure }));
    throw packagesFailed(failures, request, logUrl);
  }
  if (answer.state !== "done")
    throw notDone(answer.state, {
      doing: `building ${packagesForPeople(names, request)}`,
      system: scope.system,
      held: context.config.buildWait,
    });
  if (answer.result.kind !== "published")
    throw new TypeError(`the farm answered a publish with ${answer.result.kind}`);
  const records = new Map<string, PackageRecord>();
  const failures: Failed[] = [];
  for (const outcome of answer.result.outcomes) {
    if (outcome.kind === "package") records.set(outcome.name, outcome.record);
    if (outcome.kind === "failure") failures.push(outcome);
  }
  if (failures.length > 0) throw packagesFailed(failures, request, logUrl);
  return records;
}
