/** Which packages of a revision are pulled most: candidates for the next revision. */
import pLimit from "p-limit";
import { addDemand, demandPrefix } from "../contract/demand.ts";
import { packagesPrefix } from "../contract/keys.ts";
import { SYSTEMS, type System } from "../contract/records.ts";
import type { Bucket } from "../store/bucket.ts";
import { demandAt, readRecord } from "../store/records.ts";
import { BUCKET_CONCURRENCY } from "./limits.ts";

/** Records that are looked at: more would take the Farm object seconds. */
const MAX_LISTED = 1_000;
/** Counts of demand that are read: a minute's pulls of one isolate each. */
const MAX_COUNTS = 60;
const DAY_MS = 86_400_000;

export interface PublishedPackage {
  readonly system: System;
  readonly name: string;
}

/** `<set>/<revision>/<system>/<plan>/<name>.json`; the record of another level has `~` in its name. */
const RECORD = /^([^/]+)\/[^/]+\/([^/~]+)\.json$/;

/** The packages that were published for the revision, the most pulled lately first. */
export async function popularPackages(
  bucket: Bucket,
  packageSet: string,
  revision: string,
): Promise<PublishedPackage[]> {
  const prefix = `${packagesPrefix(packageSet)}${revision}/`;
  const [{ objects }, pulls] = await Promise.all([
    bucket.list(prefix, { limit: MAX_LISTED }),
    pullsLately(bucket, packageSet, Date.now()),
  ]);
  const found = new Map<string, PublishedPackage>();
  for (const { key } of objects) {
    const [, named, name] = RECORD.exec(key.slice(prefix.length)) ?? [];
    const system = SYSTEMS.find((each) => each === named);
    if (system !== undefined && name !== undefined)
      found.set(`${system} ${name}`, { system, name });
  }
  const count = ({ name }: PublishedPackage): number => pulls[name] ?? 0;
  return [...found.values()].sort((a, b) => count(b) - count(a) || (a.name < b.name ? -1 : 1));
}

/** Pulls by package, of today and yesterday, as far as they are counted in the bucket. */
async function pullsLately(
  bucket: Bucket,
  packageSet: string,
  now: number,
): Promise<Readonly<Record<string, number>>> {
  const days = [now, now - DAY_MS].map((at) => new Date(at).toISOString().slice(0, 10));
  const pages = await Promise.all(
    days.map((day) =>
      bucket.list(`${demandPrefix(packageSet)}${day}/`, { limit: MAX_COUNTS / days.length }),
    ),
  );
  const limit = pLimit(BUCKET_CONCURRENCY);
  const counts = await Promise.all(
    pages.flatMap(({ objects }) =>
      objects.map(({ key }) => limit(() => readRecord(bucket, demandAt(key)))),
    ),
  );
  return addDemand(counts.filter((each) => each !== null)).packages;
}
