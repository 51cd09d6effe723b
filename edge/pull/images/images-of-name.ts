/**
 * Finds images of a name, at any revision and plan, by one of their digests or layers. A digest
 * belongs to a name (distribution spec, "Pulling manifests"), and does not tell the revision.
 *
 *   images/v6/<name key>/<image key>.<platforms>.<digest hints>.json     (image-paths.ts)
 *
 * The paths of the name's images are listed, one or a few for each revision and plan at which it
 * was pulled, and the path that contains the digest's hint is the one. Paths do not contain the
 * layers of origins: for those the latest records are read.
 */
import type { Digest } from "../../contract/digest.ts";
import { digestHint, imagesPrefix } from "../../contract/keys.ts";
import {
  type Descriptor,
  type ImageRecord,
  type System,
  systemsOf,
} from "../../contract/records.ts";
import type { Bucket, ListedObject } from "../../store/bucket.ts";
import { listAll } from "../../store/read-whole.ts";
import { readRecord } from "../../store/records.ts";
import { digestsOf } from "./image-digests.ts";
import { type ImageName, nameKeyOf, placeOf } from "./image-paths.ts";

/** Most pages of the list of a name's images, 1,000 on each. */
const MAX_PAGES = 10;
/** Images of a name that are searched for a layer: those of the latest revisions and plans. */
const LATEST = 8;

interface FoundRecord {
  readonly path: string;
  readonly record: ImageRecord;
}

/** A layer of an origin, as an image for one system names it. */
interface FoundLayer {
  readonly record: ImageRecord;
  readonly system: System;
  readonly blob: Descriptor;
}

/**
 * The record of the name's images that has this digest: of a manifest, a config, or a profile
 * layer.
 */
export async function findImageByDigest(
  bucket: Bucket,
  name: ImageName,
  digest: Digest,
): Promise<ImageRecord | null> {
  const hint = digestHint(digest);
  for await (const { key: path } of recordsOf(bucket, name)) {
    if (!path.split(".").includes(hint)) continue;
    const record = await readRecord(bucket, placeOf(name, path));
    if (record !== null && digestsOf(record).all.includes(digest)) return record;
  }
  return null;
}

/** The latest record of the name's images that contains this layer of an origin. */
export async function findImageByLayer(
  bucket: Bucket,
  name: ImageName,
  digest: Digest,
): Promise<FoundLayer | null> {
  for await (const { record } of latestImages(bucket, name, LATEST)) {
    const found = layerIn(record, digest);
    if (found) return found;
  }
  return null;
}

/** The latest records of the name's images, newest first; none of the paths in `known`. */
export async function* latestImages(
  bucket: Bucket,
  name: ImageName,
  limit: number,
  known: ReadonlySet<string> = new Set(),
): AsyncGenerator<FoundRecord> {
  const objects: ListedObject[] = [];
  for await (const object of recordsOf(bucket, name)) objects.push(object);
  const latest = objects.sort((a, b) => b.writtenAt - a.writtenAt).slice(0, limit);
  for (const { key: path } of latest) {
    if (known.has(path)) continue;
    const record = await readRecord(bucket, placeOf(name, path));
    if (record !== null) yield { path, record };
  }
}

/** The objects of the name's image records, by path. */
async function* recordsOf(bucket: Bucket, name: ImageName): AsyncGenerator<ListedObject> {
  yield* listAll(bucket, imagesPrefix(await nameKeyOf(name)), MAX_PAGES);
}

/** The layer of that digest in an image, and the first system that has it. */
export function layerIn(record: ImageRecord, digest: Digest): FoundLayer | undefined {
  for (const system of systemsOf(record)) {
    const { layers = [] } = record.images[system] ?? {};
    const blobs = layers.flatMap((layer) => [layer, ...(layer.zstd ? [layer.zstd] : [])]);
    const blob = blobs.find((each) => each.digest === digest);
    if (blob !== undefined) return { record, system, blob };
  }
  return undefined;
}
