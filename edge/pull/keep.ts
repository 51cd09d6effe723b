/**
 * What an image is about to be composed of is kept from garbage collection, which may be deleting it
 * at this moment: nobody has pulled an image with these packages for months.
 */
import type { ComposeInput } from "../compose/compose.ts";
import { blobPath } from "../contract/keys.ts";
import { blobsOf, type LevelRecord, type PackageRecord } from "../contract/records.ts";
import { forgetBlob } from "../store/blobs.ts";
import type { Bucket } from "../store/bucket.ts";
import { claim } from "../store/claims.ts";
import { levelRecord, packageRecord, type RecordPlace, writeRecord } from "../store/records.ts";

/**
 * Keeps the records of the packages and their blobs. Records that were deleted a moment ago, and are
 * in this isolate's memory, are written again. Returns a function that is to be called before the
 * bucket is asked for the last time whether it has the blobs: it forgets those that were deleted.
 */
export async function keepPackages(
  bucket: Bucket,
  { scope, packages }: Pick<ComposeInput, "scope" | "packages">,
): Promise<() => void> {
  const kept = packages.flatMap(({ record, made }) => [
    entry(bucket, packageRecord(scope, record.name), record),
    ...(made ? [entry(bucket, levelRecord(scope, record.name, made.level), made)] : []),
  ]);
  const blobs = kept.flatMap((each) => each.blobs);
  const gone = new Set(
    await claim(bucket, [
      ...kept.map(({ path }) => path),
      ...blobs.map(({ digest }) => blobPath(digest)),
    ]),
  );
  for (const { path, write } of kept) if (gone.has(path)) await write();
  return () => {
    for (const { digest } of blobs) if (gone.has(blobPath(digest))) forgetBlob(digest);
  };
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
