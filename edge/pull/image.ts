/**
 * The way of a pull, after the name is parsed (DESIGN.md): tag → revision → image record, or
 * package records → compose → store.
 */
import * as v from "valibot";
import { readJson } from "../store/read.ts";
import { MANIFEST_PREFERENCE } from "../registry/negotiation.ts";
import { compose, type ComposedImage, type ComposeInput } from "../compose/compose.ts";
import { RegistryError } from "../contract/errors.ts";
import { blobPath, imageKey, imagePath, type Scope } from "../contract/keys.ts";
import { OCI_INDEX } from "../contract/media-types.ts";
import type { ImageRequest } from "../contract/names.ts";
import { type ImageRecord, ImageRecordSchema } from "../contract/records.ts";
import { deadlineIn } from "./deadline.ts";
import type { BlobUrl } from "./failures.ts";
import { chooseMadeLevels } from "./levels.ts";
import { listingReader } from "../store/listings.ts";
import { rememberManifest } from "../store/manifests.ts";
import { Memory } from "../store/memory.ts";
import { once } from "./once.ts";
import { packageRecords } from "./packages.ts";
import { planInForce } from "../store/plan.ts";
import { missingBlobs, rememberBlob } from "../store/blobs.ts";
import type { Registry } from "./registry.ts";
import { resolveTag } from "./tags.ts";

export interface FoundImage {
  readonly record: ImageRecord;
  /** Until when the same request has the same answer, milliseconds since 1970. */
  readonly until: number;
  /** Something for a person to know about this answer. */
  readonly warning?: string;
}

/** About 5,000 image records. */
const REMEMBERED_BYTES = 4 * 2 ** 20;
const remembered = new Memory<ImageRecord>(REMEMBERED_BYTES);

/**
 * The image of a name and a tag. A hit touches no Durable Object and no origin; everything else
 * waits for BUILD_WAIT at most.
 */
export async function findImage(
  registry: Registry,
  request: ImageRequest,
  tag: string,
  blobUrl: BlobUrl,
): Promise<FoundImage> {
  const deadline = deadlineIn(registry.config.buildWait);
  const { revision, until: tagUntil, staleSince } = await resolveTag(registry, tag, deadline);
  const stale =
    staleSince === undefined
      ? {}
      : {
          warning: `no origin answers; the tag ${tag} was last resolved at ${new Date(staleSince).toISOString()}`,
        };
  const { plan, until: planUntil } = await planInForce(registry);
  const until = Math.min(tagUntil, planUntil);
  const scope: Scope = {
    packageSet: registry.config.packageSet.id,
    revision,
    system: request.system,
    plan,
  };
  const key = await imageKey(scope, request.names, request.shell);
  const record = remembered.get(key) ?? (await readRecord(registry, key));
  if (record !== null) return { record, until, ...stale };

  const records = await packageRecords(registry, scope, request.names, deadline, blobUrl);
  const { packages, canonical } = await chooseMadeLevels(registry, scope, records, deadline);
  if (!canonical) {
    const made = await composed(registry, { scope, request, packages });
    return {
      record: made,
      until: 0,
      warning:
        "some layers of this image are not made yet, so it comes in coarser ones; pull again later for those that other images share",
    };
  }
  const made =
    remembered.get(key) ??
    (await once(key, () => composed(registry, { scope, request, packages }, key)));
  return { record: made, until, ...stale };
}

async function readRecord({ bucket }: Registry, key: string): Promise<ImageRecord | null> {
  const json = await readJson(bucket, imagePath(key));
  if (json === null) return null;
  const record = v.parse(ImageRecordSchema, json);
  remember(key, record);
  return record;
}

const remember = (key: string, record: ImageRecord): void =>
  remembered.set(key, record, RECORD_BYTES);
const RECORD_BYTES = 800;

/**
 * Composes and stores an image, under `key` when it is the one that the name stands for from now
 * on.
 */
async function composed(
  registry: Registry,
  input: ComposeInput,
  key?: string,
): Promise<ImageRecord> {
  const image = await compose(input, listingReader(registry));
  await checkLayers(registry, image);
  await storeBlobs(registry, image);
  if (key !== undefined) {
    remember(key, image.record);
    // Behind the answer: a record that is lost is composed again, to the same bytes.
    registry.ctx.waitUntil(storeRecord(registry, key, image.record));
  }
  return image.record;
}

async function checkLayers({ bucket }: Registry, { layers }: ComposedImage): Promise<void> {
  const missing = await missingBlobs(bucket, layers);
  if (missing.length === 0) return;
  throw new RegistryError({
    code: "UNKNOWN",
    status: 500,
    message: `${missing.length} layers of this image are gone from the registry's storage; its operator has to restore them`,
    detail: { missing: missing.map(({ digest }) => digest) },
    cause: new Error("layers that records name are not in the bucket"),
  });
}

/** What is named before what names it. Any of this may run twice, at once. */
async function storeBlobs(
  { bucket }: Registry,
  { blobs, manifests }: ComposedImage,
): Promise<void> {
  for (const turn of [0, 1, 2]) {
    await Promise.all(
      blobs
        .filter(({ mediaType }) => storedIn(mediaType) === turn)
        .map(async ({ digest, bytes, size, mediaType }) => {
          await bucket.put(blobPath(digest), bytes, { contentType: mediaType, ifAbsent: true });
          rememberBlob(digest, { size, contentType: mediaType });
        }),
    );
  }
  for (const { digest, bytes, mediaType } of Object.values(manifests))
    rememberManifest(digest, { bytes, mediaType });
}

/** Last, so that whoever finds the record finds everything it names. */
async function storeRecord({ bucket }: Registry, key: string, record: ImageRecord): Promise<void> {
  try {
    await bucket.put(imagePath(key), JSON.stringify(record), {
      contentType: "application/json",
      ifAbsent: true,
    });
  } catch (error) {
    console.error(
      JSON.stringify({ level: "error", event: "image.record.lost", key, error: String(error) }),
    );
  }
}

/** Profile layer and config, then manifests, then the index of manifests. */
const storedIn = (mediaType: string): number =>
  mediaType === OCI_INDEX ? 2 : MANIFEST_PREFERENCE.includes(mediaType) ? 1 : 0;
