/**
 * Which layers the images of a name have: what an account that may not pull every image may
 * download under that name. Layers are stored by digest alone, and their digests get about (a log,
 * a lock file), so knowing one is not enough.
 *
 * The paths of the name's images are listed for a layer that is not known yet, and those records
 * read that were not read before: of the image that a client has just pulled, the newest.
 */
import type { Digest } from "../../contract/digest.ts";
import { systemsOf } from "../../contract/records.ts";
import type { Bucket } from "../../store/bucket.ts";
import { memory } from "../../store/memory.ts";
import { type ImageName, nameOf } from "./image-paths.ts";
import { latestImages } from "./images-of-name.ts";

/** Most images of a name that are looked through: a revision a week for more than a year. */
const LATEST = 64;
/** What the sets of names take, bytes: of 20 names with 64 images each. */
const BUDGET = 2 ** 20;
/** How long it is remembered, milliseconds: as long as a token is good. */
const KEPT_MS = 300_000;
/** A digest or a path in a set, bytes. */
const MEMBER_BYTES = 200;

interface Seen {
  /** Records that were read. */
  readonly paths: Set<string>;
  readonly layers: Set<Digest>;
}

const seen = memory<Seen>(
  BUDGET,
  ({ paths, layers }) => (paths.size + layers.size) * MEMBER_BYTES,
  KEPT_MS,
);

/** Whether one of the name's latest images has this layer. Throws a BucketUnavailable. */
export async function isLayerOf(bucket: Bucket, name: ImageName, digest: Digest): Promise<boolean> {
  const key = nameOf(name);
  const { paths, layers } = seen.get(key) ?? { paths: new Set(), layers: new Set() };
  if (layers.has(digest)) return true;
  for await (const { path, record } of latestImages(bucket, name, LATEST, paths)) {
    paths.add(path);
    for (const system of systemsOf(record))
      for (const layer of record.images[system]?.layers ?? []) {
        layers.add(layer.digest);
        if (layer.zstd) layers.add(layer.zstd.digest);
      }
    if (layers.has(digest)) break;
  }
  seen.set(key, { paths, layers });
  return layers.has(digest);
}
