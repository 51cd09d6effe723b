/**
 * From a name and a tag to an image. First what the bucket knows already:
 *
 *   tag → revision → image record
 *
 * and when there is no image record:
 *
 *   package records → made layers of one level → compose → blobs, then the image record
 *
 * Only a tag, a package or a level that nobody asked for before waits for an origin.
 */
import { compose, type ComposeInput } from "../compose/compose.ts";
import { imageKey, type Scope } from "../contract/keys.ts";
import type { ImageRequest } from "../contract/names.ts";
import type { Descriptor, ImageRecord } from "../contract/records.ts";
import { missingBlobs, writeBlobs } from "../store/blobs.ts";
import type { Bucket } from "../store/bucket.ts";
import { listingReader } from "../store/listings.ts";
import { planInForce } from "../store/current.ts";
import { imageRecord, readRecord, type RecordPlace, writeRecord } from "../store/records.ts";
import { note } from "../log.ts";
import type { Context } from "./context.ts";
import { RegistryError } from "./errors.ts";
import { chooseMadeLevels } from "./levels.ts";
import { spend } from "./limits.ts";
import { once } from "./once.ts";
import { packageRecords } from "./packages.ts";
import { checkAllowed } from "./permission.ts";
import { resolveTag } from "./tags.ts";

export interface FoundImage {
  readonly record: ImageRecord;
  /** Something that the person who pulls should know about this answer. */
  readonly warning: string | undefined;
}

/**
 * The image of a name and a tag. A hit touches no Durable Object and no origin; everything else
 * waits for BUILD_WAIT at most. `anew`: the blobs of the image that is known are not in the bucket,
 * or damaged, so it is composed again, which replaces them. Throws a RegistryError for what the
 * person who pulls can know.
 */
export async function findImage(
  context: Context,
  request: ImageRequest,
  tag: string,
  { anew = false } = {},
): Promise<FoundImage> {
  checkAllowed(context, request);
  const { revision, warning } = await resolveTag(context, tag);
  const scope = await scopeOf(context, revision, request);
  const place = imageRecord(await imageKey(scope, request.names, request.shell));
  const known = anew ? null : await readRecord(context.bucket, place);
  if (known !== null) return { record: known, warning };

  spend(context, "images");
  const records = await packageRecords(context, scope, request);
  const packages = await chooseMadeLevels(context, scope, records, request);
  const input = { scope, request, packages };
  const record = await once(place.path, async () => {
    const composed = await composeImage(context.bucket, input);
    // Behind the answer: a record that gets lost is composed again, to the same bytes.
    context.ctx.waitUntil(storeRecord(context.bucket, place, composed));
    return composed;
  });
  return { record, warning };
}

async function scopeOf(
  { bucket, config: { packageSet } }: Context,
  revision: string,
  { system }: ImageRequest,
): Promise<Scope> {
  const plan = await planInForce(bucket, packageSet.id);
  return { packageSet: packageSet.id, revision, system, plan };
}

/** Composes an image and stores its blobs, once every blob of an origin that it names is there. */
async function composeImage(bucket: Bucket, input: ComposeInput): Promise<ImageRecord> {
  // Asked for while it composes, and remembered: a bucket's answer may take 20 ms, and an isolate
  // that knows nothing yet has dozens of layers to ask for, a few at a time.
  const [{ record, layers, blobs }] = await Promise.all([
    compose(input, listingReader(bucket)),
    missingBlobs(bucket, layersOf(input)),
  ]);
  const missing = await missingBlobs(bucket, layers);
  if (missing.length > 0) throw layersLost(missing);
  await writeBlobs(bucket, blobs);
  return record;
}

/** The layers of an image that is not composed yet, each once. */
function layersOf({ packages }: ComposeInput): Descriptor[] {
  const layers = packages.flatMap(({ record, made }) => (made ?? record).layers);
  return [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
}

function layersLost(layers: readonly Descriptor[]): RegistryError {
  const digests = layers.map(({ digest }) => digest);
  return new RegistryError({
    code: "UNKNOWN",
    status: 500,
    message: `${layers.length} layers of this image are no longer in the registry's storage; its operator has to restore them`,
    detail: { missing: digests },
    cause: new Error(`layers that records name are not in the bucket: ${digests.join(", ")}`),
  });
}

/** Last, so that whoever finds the record finds everything that it names. */
async function storeRecord(
  bucket: Bucket,
  place: RecordPlace<ImageRecord>,
  record: ImageRecord,
): Promise<void> {
  try {
    await writeRecord(bucket, place, record);
  } catch (error) {
    const { path } = place;
    note("error", "image.record.lost", { path, error: String(error) });
  }
}
