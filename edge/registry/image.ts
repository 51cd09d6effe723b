/** The way of a pull, after the name is parsed (DESIGN.md): tag → revision → image record, or package records → compose → store. */
import pLimit from "p-limit";
import * as v from "valibot";
import { readJson } from "../bucket/read.ts";
import { compose, type ComposedImage } from "../image/compose.ts";
import type { Digest } from "../image/digest.ts";
import { RegistryError } from "../image/errors.ts";
import { blobPath, imageKey, imagePath, type Scope } from "../image/keys.ts";
import type { ReadRange } from "../image/listing-reader.ts";
import type { ImageRequest } from "../image/names.ts";
import { type ImageRecord, ImageRecordSchema, type PackageRecord } from "../image/records.ts";
import type { BlobUrl } from "./failures.ts";
import { chooseMadeLevels } from "./levels.ts";
import { rememberManifest } from "./manifest-blobs.ts";
import { Memory } from "./memory.ts";
import { packageRecords } from "./packages.ts";
import { planInForce } from "./plan.ts";
import { BUCKET_REQUESTS, missingBlobs, rememberBlob } from "./presence.ts";
import { type Deadline, deadlineOf, type Registry } from "./registry.ts";
import { resolveTag } from "./tags.ts";

export interface FoundImage {
  readonly record: ImageRecord;
  /** Until when the same request has the same answer, milliseconds since 1970. */
  readonly until: number;
  /** Something for a person to know about this answer. */
  readonly warning?: string;
}

/** About 10,000 image records. */
const REMEMBERED_BYTES = 8 * 2 ** 20;
const remembered = new Memory<ImageRecord>(REMEMBERED_BYTES);

/** The image of a name and a tag. A hit touches no Durable Object and no origin; everything else waits for BUILD_WAIT at most. */
export async function findImage(registry: Registry, request: ImageRequest, tag: string, blobUrl: BlobUrl): Promise<FoundImage> {
  const deadline = deadlineOf(registry);
  const { revision, until, staleSince } = await resolveTag(registry, tag, deadline);
  const stale = staleSince === undefined ? {} : { warning: `no origin answers; the tag ${tag} was last resolved at ${new Date(staleSince).toISOString()}` };
  const plan = await planInForce(registry);
  const scope: Scope = { packageSet: registry.config.packageSet.id, revision, system: request.system, plan };
  const key = await imageKey(scope, request.names, request.shell);
  const record = remembered.get(key) ?? (await readRecord(registry, key));
  if (record !== null) return { record, until, ...stale };

  const { image, canonical } = await make(registry, scope, request, deadline, blobUrl);
  if (!canonical) {
    await store(registry, image);
    return { record: image.record, until: 0, warning: "some layers of this image are not made yet, so it comes in coarser ones; pull again later for those that other images share" };
  }
  await store(registry, image, imagePath(key));
  remember(key, image.record);
  return { record: image.record, until, ...stale };
}

async function readRecord({ bucket }: Registry, key: string): Promise<ImageRecord | null> {
  const json = await readJson(bucket, imagePath(key));
  if (json === null) return null;
  const record = v.parse(ImageRecordSchema, json);
  remember(key, record);
  return record;
}

const remember = (key: string, record: ImageRecord): void => remembered.set(key, record, RECORD_BYTES);
const RECORD_BYTES = 800;

async function make(registry: Registry, scope: Scope, request: ImageRequest, deadline: Deadline, blobUrl: BlobUrl): Promise<{ image: ComposedImage; canonical: boolean }> {
  const records: PackageRecord[] = await packageRecords(registry, scope, request.names, deadline, blobUrl);
  const { packages, canonical } = await chooseMadeLevels(registry, scope, records, deadline);
  const image = await compose({ scope, request, packages }, rangeReader(registry));
  const missing = await missingBlobs(registry.bucket, image.layers);
  if (missing.length > 0) {
    throw new RegistryError({
      code: "UNKNOWN",
      status: 500,
      message: `${missing.length} layers of this image are gone from the registry's storage; its operator has to restore them`,
      detail: { missing: missing.map(({ digest }) => digest) },
      cause: new Error("layers that records name are not in the bucket"),
    });
  }
  return { image, canonical };
}

/** Blobs first, the record last: whoever finds the record finds everything it names. Any of this may run twice, at once. */
async function store({ bucket }: Registry, image: ComposedImage, recordPath?: string): Promise<void> {
  for (const blob of image.blobs) {
    await bucket.put(blobPath(blob.digest), blob.bytes, { contentType: blob.mediaType, ifAbsent: true });
    rememberBlob(blob.digest, { size: blob.size, contentType: blob.mediaType });
  }
  for (const { digest, bytes, mediaType } of Object.values(image.manifests)) rememberManifest(digest, { bytes, mediaType });
  if (recordPath !== undefined) await bucket.put(recordPath, JSON.stringify(image.record), { contentType: "application/json", ifAbsent: true });
}

/** Reads parts of listings, as many at once as a Worker may have connections. */
function rangeReader({ bucket }: Registry): ReadRange {
  const limit = pLimit(BUCKET_REQUESTS);
  return (digest: Digest, range) =>
    limit(async () => {
      const part = await bucket.get(blobPath(digest), range);
      if (part === null) throw new Error(`the listing ${digest} is not in the bucket`);
      return new Uint8Array(await new Response(part.body).arrayBuffer());
    });
}
