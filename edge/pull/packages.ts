/**
 * Package records: from memory, from the bucket, and those that nobody has asked for before from an
 * origin, all of them by one question.
 */
import pLimit from "p-limit";
import { askFarm } from "../farm/ask.ts";
import type { PublishJob } from "../contract/messages.ts";
import type { Scope } from "../contract/keys.ts";
import type { PackageRecord } from "../contract/records.ts";
import { type Deadline, left } from "./deadline.ts";
import { type BlobUrl, type Failed, listed, notDone, packagesFailed } from "./failures.ts";
import { packageRecord, readRecord } from "../store/records.ts";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import type { Registry } from "./registry.ts";

/** One record for each name, in their order. Throws what packagesFailed and notDone make. */
export async function packageRecords(
  registry: Registry,
  scope: Scope,
  names: readonly string[],
  deadline: Deadline,
  blobUrl: BlobUrl,
): Promise<PackageRecord[]> {
  const limit = pLimit(BUCKET_REQUESTS);
  const found = new Map<string, PackageRecord>();
  await Promise.all(
    names.map((name) =>
      limit(async () => {
        const record = await readRecord(registry.bucket, packageRecord(scope, name));
        if (record !== null) found.set(name, record);
      }),
    ),
  );
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0)
    for (const [name, record] of await publish(registry, scope, missing, deadline, blobUrl))
      found.set(name, record);
  return names.map((name) => {
    const record = found.get(name);
    if (record === undefined)
      throw new Error(`the farm is done with ${name}, but gave no record of it`);
    return record;
  });
}

/** The fields that all jobs of a scope have. */
export const publishJob = (
  { packageSet, revision, system, plan }: Scope,
  items: PublishJob["items"],
): PublishJob => ({ kind: "publish", packageSet, revision, system, plan, items });

/**
 * Has origins build what is missing. When it is done, the farm has validated the records, found
 * their blobs, and written them.
 */
async function publish(
  registry: Registry,
  scope: Scope,
  names: readonly string[],
  deadline: Deadline,
  blobUrl: BlobUrl,
): Promise<Map<string, PackageRecord>> {
  const answer = await askFarm(
    registry.env,
    publishJob(
      scope,
      names.map((name) => ({ name })),
    ),
    left(deadline),
  );
  if (answer.state === "failed")
    throw packagesFailed(
      names.map((name) => ({ name, failure: answer.failure })),
      blobUrl,
    );
  if (answer.state !== "done")
    throw notDone(
      answer.state,
      { doing: `building ${listed(names)}`, system: scope.system },
      deadline,
    );
  if (answer.result.kind !== "published")
    throw new TypeError(`the farm answered a publish with ${answer.result.kind}`);
  const records = new Map<string, PackageRecord>();
  const failures: Failed[] = [];
  for (const outcome of answer.result.outcomes) {
    if (outcome.kind === "package") records.set(outcome.name, outcome.record);
    if (outcome.kind === "failure") failures.push(outcome);
  }
  if (failures.length > 0) throw packagesFailed(failures, blobUrl);
  return records;
}
