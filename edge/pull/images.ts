/**
 * Image records: the one object that is stored of an image that was composed, and how a tag's image
 * and a digest lead to it.
 *
 *   images/v2/<name key>/<image key>.<16 digits of each digest, with dots between them>.json
 *
 * Whoever asks by tag knows name, revision and plan, so the image key, and lists the one key that
 * begins with it. Whoever asks by digest knows the name and the digest: the listing of the name's
 * images, one for each revision and plan at which it was pulled, tells which of them has it. Then
 * the record is read; its texts are encoded again, and must have the digests that it says.
 */
import type { Digest } from "../contract/digest.ts";
import {
  digestHint,
  imageKey,
  imageNameKey,
  imagePath,
  imagePrefix,
  imagesPrefix,
  type Scope,
} from "../contract/keys.ts";
import type { ImageRequest } from "../contract/names.ts";
import type { Descriptor, ImageRecord } from "../contract/records.ts";
import { imageTexts } from "../compose/texts.ts";
import type { Bucket } from "../store/bucket.ts";
import { memory } from "../store/memory.ts";
import {
  imageRecord,
  readRecord,
  type RecordPlace,
  withdrawRecord,
  writeRecord,
} from "../store/records.ts";

/** A name of a package set: `git/curl` means the same as `curl/git`. */
export interface ImageName extends Pick<ImageRequest, "system" | "names" | "shell"> {
  readonly packageSet: string;
}

/** About 4,000 paths. */
const REMEMBERED_BYTES = 2 * 2 ** 20;
/** By nameOf and the rest of the image's scope. */
const paths = memory<{ readonly path: string }>(REMEMBERED_BYTES, ({ path }) => 2 * path.length);

/** Images of a name that one listing tells of, and most listings for one digest. */
const PAGE = 1_000;
const MAX_PAGES = 10;
/** An image has one record; another one's path can only stand there while it is damaged. */
const PER_KEY = 10;

/** Images of a name that a layer is looked for in: those of the latest revisions and plans. */
const LATEST = 8;

interface FoundRecord {
  readonly path: string;
  readonly record: ImageRecord;
}

/** A name as text: a key for memories, without a hash. */
export const nameOf = ({ packageSet, system, names, shell }: ImageName): string =>
  `${packageSet} ${system} ${shell ? "shell " : ""}${names.join("/")}`;
const idOf = (name: ImageName, { revision, plan }: Scope): string =>
  `${nameOf(name)} ${revision} ${plan}`;

/** The record of the image that a name has at this revision and plan, or null. */
export async function readImage(
  bucket: Bucket,
  name: ImageName,
  scope: Scope,
): Promise<ImageRecord | null> {
  const id = idOf(name, scope);
  const known = paths.get(id);
  const record = known && (await readRecord(bucket, placeOf(name, known.path)));
  if (record) return record;
  const prefix = imagePrefix(await nameKeyOf(name), await imageKey(scope, name.names, name.shell));
  const { objects } = await bucket.list(prefix, { limit: PER_KEY });
  for (const { key: path } of objects) {
    const found = await readRecord(bucket, placeOf(name, path));
    if (found === null) continue;
    paths.set(id, { path });
    return found;
  }
  return null;
}

/** The record of the name's image that has this digest: a manifest, its config, or its own layer. */
export async function findImageByDigest(
  bucket: Bucket,
  name: ImageName,
  digest: Digest,
): Promise<ImageRecord | null> {
  const hint = digestHint(digest);
  const prefix = imagesPrefix(await nameKeyOf(name));
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { objects, more } = await bucket.list(prefix, { limit: PAGE, after });
    const found = objects.map(({ key }) => key);
    for (const path of found.filter((path) => path.split(".").includes(hint))) {
      const record = await readRecord(bucket, placeOf(name, path));
      if (record !== null && digestsOf(record).includes(digest)) return record;
    }
    if (!more) break;
    after = found.at(-1);
  }
  return null;
}

/**
 * The latest record of the name's images that has this layer of an origin: which layers an image has
 * stands in its record alone, so the latest are read.
 */
export async function findImageByLayer(
  bucket: Bucket,
  name: ImageName,
  digest: Digest,
): Promise<(FoundRecord & { readonly blob: Descriptor }) | null> {
  const prefix = imagesPrefix(await nameKeyOf(name));
  const { objects } = await bucket.list(prefix, { limit: PAGE });
  const latest = [...objects].sort((a, b) => b.writtenAt - a.writtenAt).slice(0, LATEST);
  for (const { key: path } of latest) {
    const record = await readRecord(bucket, placeOf(name, path));
    const blobs = record?.layers.flatMap((layer) => [layer, ...(layer.zstd ? [layer.zstd] : [])]);
    const blob = blobs?.find((each) => each.digest === digest);
    if (record && blob) return { path, record, blob };
  }
  return null;
}

/** Withdraws the record of an image that cannot be pulled any more: it is composed anew. */
export async function withdrawImage(
  bucket: Bucket,
  name: ImageName,
  { path, record }: FoundRecord,
): Promise<void> {
  paths.delete(idOf(name, record));
  await withdrawRecord(bucket, path);
}

/** Stores a record, and under which digests it is found; they may be answered after that. */
export async function writeImage(
  bucket: Bucket,
  name: ImageName,
  record: ImageRecord,
  digests: readonly Digest[],
): Promise<void> {
  const key = await imageKey(record, name.names, name.shell);
  const path = imagePath(await nameKeyOf(name), key, digests);
  await writeRecord(bucket, placeOf(name, path), record);
  paths.set(idOf(name, record), { path });
}

const nameKeyOf = (name: ImageName): Promise<string> => imageNameKey(name, name.names, name.shell);

const placeOf = (name: ImageName, path: string): RecordPlace<ImageRecord> =>
  imageRecord(path, (record) => belongs(name, record));

/** Whether it is an image of this name, and its texts are those that its manifests are told of. */
function belongs({ packageSet, system, names }: ImageName, record: ImageRecord): boolean {
  if (record.packageSet !== packageSet || record.system !== system) return false;
  if (Object.keys(record.levels).sort().join("/") !== names.join("/")) return false;
  const { offered } = imageTexts(record);
  return Object.entries(record.manifests).every(
    ([mediaType, { digest }]) => offered[mediaType]?.digest === digest,
  );
}

/** Every digest that is derived from the record. */
function digestsOf(record: ImageRecord): Digest[] {
  const { config, manifests } = imageTexts(record);
  const profile = record.layers.at(-1);
  return [...manifests, config, ...(profile ? [profile] : [])].map(({ digest }) => digest);
}
