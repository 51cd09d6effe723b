/**
 * Reads and writes the records of an image: of a name at one revision and plan.
 *
 *   images/v6/<name key>/<image key>.<platforms>.<digest hints>.json     (image-paths.ts)
 *
 * A record covers the platforms for which the image was known when it was written. When a platform
 * is added later, another record is written beside it, so that every index that was ever answered
 * can be found by its digest (images-of-name.ts). By tag, all records of a key are one image: they
 * never differ about a platform.
 *
 *   <image key>.amd64.….json              pulled while no origin for arm64 was connected
 *   <image key>.amd64.arm64.….json        pulled later
 *   <image key>.amd64.no-arm64.….json     or a package does not exist for arm64
 *
 * Name, revision and plan give the image key, and the paths that begin with it are listed.
 */
import type { Digest } from "../../contract/digest.ts";
import { imageKey, imagePrefix, type ImageScope } from "../../contract/keys.ts";
import { type ImageRecord, systemsOf } from "../../contract/records.ts";
import type { Bucket } from "../../store/bucket.ts";
import { memory } from "../../store/memory.ts";
import { readRecord, withdrawRecord, writeRecord } from "../../store/records.ts";
import { singleFlight } from "../single-flight.ts";
import { type ImageName, nameKeyOf, nameOf, pathOf, placeOf, platformsIn } from "./image-paths.ts";
import { layerIn } from "./images-of-name.ts";

/** About 4,000 paths. */
const REMEMBERED_BYTES = 2 * 2 ** 20;
/** By nameOf and the rest of the image's scope: the path of the record with the most platforms. */
const paths = memory<{ readonly path: string }>(REMEMBERED_BYTES, ({ path }) => 2 * path.length);

/** Two platforms have at most five records: of each, of both, and of each without the other. */
const PER_KEY = 10;

const idOf = (name: ImageName, { revision, plan }: ImageScope): string =>
  `${nameOf(name)} ${revision} ${plan}`;

/** What is known of the image that a name has at this revision and plan; null when nothing is. */
export async function readImage(
  bucket: Bucket,
  name: ImageName,
  scope: ImageScope,
): Promise<ImageRecord | null> {
  const id = idOf(name, scope);
  const known = paths.get(id);
  const record = known && (await readRecord(bucket, placeOf(name, known.path)));
  if (record) return record;
  paths.delete(id);
  return listImage(bucket, name, scope);
}

/**
 * The same by a listing of the bucket, since another isolate may have written more. When several
 * records are found, the one that merges them is written too, so that its index is found by its
 * digest.
 */
export async function listImage(
  bucket: Bucket,
  name: ImageName,
  scope: ImageScope,
): Promise<ImageRecord | null> {
  const prefix = imagePrefix(await nameKeyOf(name), await imageKey(scope, name.names, name.shell));
  const { objects } = await bucket.list(prefix, { limit: PER_KEY });
  const told = objects.map(({ key }) => ({ path: key, platforms: platformsIn(key) }));
  // The record with the most platforms first; of equals one with an image before one without.
  told.sort((a, b) => b.platforms.length - a.platforms.length || (a.path < b.path ? -1 : 1));
  const seen = new Set<string>();
  const records: ImageRecord[] = [];
  for (const { path, platforms } of told) {
    if (platforms.every((platform) => seen.has(platform))) continue;
    const record = await readRecord(bucket, placeOf(name, path));
    if (record === null) continue;
    if (records.length === 0) paths.set(idOf(name, scope), { path });
    for (const platform of platforms) seen.add(platform);
    records.push(record);
  }
  const [first, ...others] = records;
  if (first === undefined) return null;
  const all = others.reduce(merged, first);
  if (others.length > 0) await writeImage(bucket, name, all, records);
  return all;
}

/** Merges two records of an image, which never contradict each other. */
export function merged(one: ImageRecord, other: ImageRecord): ImageRecord {
  const images = { ...other.images, ...one.images };
  const without = { ...other.without, ...one.without };
  for (const system of systemsOf({ images })) delete without[system];
  const origins = [...new Set([...one.origins, ...other.origins])].sort();
  return { ...one, origins, images, without };
}

/**
 * Withdraws the records of an image that name a layer which is lost for good, so that the next pull
 * composes the image again. Returns their paths.
 */
export async function withdrawImage(
  bucket: Bucket,
  name: ImageName,
  scope: ImageScope,
  layer: Digest,
): Promise<string[]> {
  const prefix = imagePrefix(await nameKeyOf(name), await imageKey(scope, name.names, name.shell));
  const { objects } = await bucket.list(prefix, { limit: PER_KEY });
  const gone: string[] = [];
  for (const { key: path } of objects) {
    const record = await readRecord(bucket, placeOf(name, path));
    if (record === null || layerIn(record, layer) === undefined) continue;
    await withdrawRecord(bucket, path);
    gone.push(path);
  }
  paths.delete(idOf(name, scope));
  return gone;
}

/**
 * Stores a record, unless this isolate knows that it is stored. Its digests must not be answered
 * before. `madeOf`: the records that were merged into it.
 */
export async function writeImage(
  bucket: Bucket,
  name: ImageName,
  record: ImageRecord,
  madeOf: readonly ImageRecord[],
): Promise<void> {
  const path = await pathOf(name, record);
  const id = idOf(name, record);
  if (paths.get(id)?.path === path) return;
  const sources = [...madeOf, ...Object.values(record.images)];
  await singleFlight(`record ${path}`, () =>
    writeRecord(bucket, placeOf(name, path), record, sources),
  );
  paths.set(id, { path });
}
