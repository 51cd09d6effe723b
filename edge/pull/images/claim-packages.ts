/**
 * Keeps the packages of an image from garbage collection while it is composed: if nobody has pulled
 * an image with them for months, a run may be about to delete them.
 */
import type { ComposeInput } from "../../compose/compose.ts";
import { MIN_GRACE } from "../../contract/housekeeping.ts";
import { blobPath } from "../../contract/keys.ts";
import {
  blobsOf,
  type Descriptor,
  type LevelRecord,
  type PackageRecord,
} from "../../contract/records.ts";
import { forgetBlob } from "../../store/blobs.ts";
import type { Bucket } from "../../store/bucket.ts";
import { claim } from "../../store/claims.ts";
import { memory } from "../../store/memory.ts";
import { levelRecord, packageRecord, type RecordPlace, writeRecord } from "../../store/records.ts";

/** About 3,000 keys. */
const CLAIMED_BYTES = 2 ** 20;
/**
 * How long a claim is not repeated, milliseconds. What was claimed may be condemned again right
 * after, but a run deletes it only when that was a whole grace period before the run began, and
 * such a run sees every record that was written in this time.
 */
const CLAIMED_MS = (MIN_GRACE * 1_000) / 2;

/** Keys that this isolate has claimed, and that had not been deleted before. */
const claimed = memory<object>(CLAIMED_BYTES, () => 0, CLAIMED_MS);

/**
 * Keeps the packages' records and blobs. Records that were just deleted, and are in this isolate's
 * memory, are written again. Returns the blobs that were just deleted, after forgetting what is
 * remembered of them: they may be there again.
 */
export async function keepPackages(
  bucket: Bucket,
  { scope, packages }: Pick<ComposeInput, "scope" | "packages">,
): Promise<readonly Descriptor[]> {
  const kept = packages.flatMap(({ record, made }) => [
    entry(bucket, packageRecord(scope, record.name), record),
    ...(made ? [entry(bucket, levelRecord(scope, record.name, made.level), made)] : []),
  ]);
  const blobs = new Map(
    kept.flatMap((each) => each.blobs).map((blob) => [blobPath(blob.digest), blob]),
  );
  const keys = [...kept.map(({ path }) => path), ...blobs.keys()];
  const wanted = keys.filter((key) => !claimed.has(key));
  const answer = await claim(bucket, wanted);
  const gone = new Set(answer);
  if (answer !== null) for (const key of wanted) if (!gone.has(key)) claimed.set(key, {});
  for (const { path, write } of kept) if (gone.has(path)) await write();
  return [...blobs].flatMap(([key, blob]) => {
    if (!gone.has(key)) return [];
    forgetBlob(blob.digest);
    return [blob];
  });
}

const entry = <T extends PackageRecord | LevelRecord>(
  bucket: Bucket,
  place: RecordPlace<T>,
  record: T,
) => ({
  path: place.path,
  blobs: blobsOf(record),
  write: () => writeRecord(bucket, place, record),
});
