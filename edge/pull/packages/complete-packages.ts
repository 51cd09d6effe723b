/**
 * Gets the packages of an image and does work with them, such as composing. When that finds that
 * the bucket has lost a blob that their records name, an origin makes these packages again, and the
 * work is repeated.
 *
 *   records → work                         the way of nearly every pull
 *           → lost: git's listing          found by asking the bucket, not the cache
 *           → the farm: git, lost [listing]
 *           → records → work               once; if a blob is still lost then, a 503
 *
 * The same compressor makes the same blobs, so whatever names their digests is whole again. Other
 * bytes of a layer get a record of their own; image records with the old digests are withdrawn
 * (restore-layer.ts).
 */
import type { ComposeInput, ComposePackage } from "../../compose/compose.ts";
import type { Scope } from "../../contract/keys.ts";
import type { ImageRequest } from "../../contract/names.ts";
import type { PackageItem } from "../../contract/items.ts";
import {
  blobsOf,
  DamagedBlob,
  type Descriptor,
  type LevelRecord,
  type PackageRecord,
} from "../../contract/records.ts";
import { note } from "../../log.ts";
import { BlobsLost, deleteDamaged, missingNow } from "../../store/blobs.ts";
import { forgetParts } from "../../store/listings.ts";
import { isOld, levelRecord, packageRecord, seeRecord } from "../../store/records.ts";
import type { Context } from "../context.ts";
import { packagesForPeople } from "../packages-in-words.ts";
import { chooseMadeLevels } from "./package-levels.ts";
import { askForPackages, packageItem, packageRecords } from "./package-records.ts";

/** Which image: its packages, revision and plan. */
export interface Wanted {
  readonly scope: Scope;
  readonly request: ImageRequest;
}

/**
 * Does `work` with the packages of an image. Throws what packageRecords, chooseMadeLevels,
 * makeAgain and `work` throw: BlobsLost when a blob is still lost after the second try.
 */
export async function withPackages<T>(
  context: Context,
  { scope, request }: Wanted,
  work: (input: ComposeInput) => Promise<T>,
): Promise<T> {
  let input = await readPackages(context, { scope, request });
  // Origins may have needed minutes to make the others: what was read before may be withdrawn by
  // now.
  if (isOld(recordsOf(input))) input = await readPackages(context, { scope, request });
  try {
    return await work(input);
  } catch (error) {
    const lost = await lostBlobs(context, input.packages, error);
    if (lost === null) throw error;
    return work(lost.length === 0 ? input : await makeAgain(context, input, lost));
  }
}

/** The packages with their records: from memory, the bucket, or made by origins. */
async function readPackages(context: Context, { scope, request }: Wanted): Promise<ComposeInput> {
  const records = await packageRecords(context, scope, request);
  const packages = await chooseMadeLevels(context, scope, records, request);
  return { scope, request, packages };
}

/** Every record from which an image is composed. */
export const recordsOf = ({ packages }: Pick<ComposeInput, "packages">): readonly object[] =>
  packages.flatMap(({ record, made }) => (made ? [record, made] : [record]));

/**
 * The packages' blobs that the bucket lacks, when the error is about a lost or damaged blob;
 * otherwise null. Empty when the bucket has them all, and only this isolate's copy of one was
 * damaged.
 */
async function lostBlobs(
  { bucket }: Context,
  packages: readonly ComposePackage[],
  error: unknown,
): Promise<readonly Descriptor[] | null> {
  if (error instanceof DamagedBlob) {
    forgetParts(error.blob);
    await deleteDamaged(bucket, error.blob);
  } else if (!(error instanceof BlobsLost)) return null;
  return missingNow(bucket, packages.flatMap(blobsOfPackage));
}

const blobsOfPackage = ({ record, made }: ComposePackage): Descriptor[] => [
  ...blobsOf(record),
  ...(made ? blobsOf(made) : []),
];

/**
 * Has an origin make the packages again whose records name one of these lost blobs; returns all
 * packages with their current records. Throws when the caller may not start a build, has used up a
 * limit, or no origin has made them in time.
 */
async function makeAgain(
  context: Context,
  { scope, request, packages }: ComposeInput,
  lost: readonly Descriptor[],
): Promise<ComposeInput> {
  const digests = new Set(lost.map(({ digest }) => digest));
  const hasLost = (record: PackageRecord | LevelRecord): boolean =>
    blobsOf(record).some(({ digest }) => digests.has(digest));
  const items = packages.flatMap(({ record, made }): PackageItem[] => [
    ...(hasLost(record) ? [packageItem(scope, { name: record.name })] : []),
    ...(made && hasLost(made)
      ? [packageItem(scope, { name: record.name, level: made.level })]
      : []),
  ]);
  if (items.length === 0) return { scope, request, packages };
  const names = [...new Set(items.map(({ name }) => name))];
  note("warn", "blobs.lost", { packages: names, lost: [...digests] });
  const records = new Map<string, PackageRecord>();
  const levels = new Map<string, LevelRecord>();
  const results = await askForPackages(context, { scope, request }, items, {
    doing: `restoring what the registry's storage has lost of ` + packagesForPeople(names, request),
    lost,
  });
  for (const [at, { name }] of items.entries()) {
    const result = results[at];
    if (result?.kind === "package") records.set(name, result.record);
    if (result?.kind === "level") levels.set(name, result.record);
  }
  const whole = packages.map(({ record, made }): ComposePackage => {
    const level = levels.get(record.name) ?? made;
    return { record: records.get(record.name) ?? record, ...(level && { made: level }) };
  });
  // These replace the records that this isolate has in memory.
  for (const [name, record] of records) seeRecord(packageRecord(scope, name), record);
  for (const [name, record] of levels) seeRecord(levelRecord(scope, name, record.level), record);
  return { scope, request, packages: whole };
}
