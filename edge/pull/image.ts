/**
 * The way of a pull, after the name is parsed (DESIGN.md): tag → revision → image record, or
 * package records → compose → store.
 */
import { compose, type ComposedImage, type ComposeInput } from "../compose/compose.ts";
import { RegistryError } from "./errors.ts";
import { imageKey, type Scope } from "../contract/keys.ts";
import type { ImageRequest } from "../contract/names.ts";
import type { ImageRecord } from "../contract/records.ts";
import { deadlineIn } from "./deadline.ts";
import type { BlobUrl } from "./failures.ts";
import { chooseMadeLevels } from "./levels.ts";
import { listingReader } from "../store/listings.ts";
import { once } from "./once.ts";
import { packageRecords } from "./packages.ts";
import { planInForce } from "../store/plan.ts";
import { missingBlobs, writeBlobs } from "../store/blobs.ts";
import { imageRecord, readRecord, writeRecord } from "../store/records.ts";
import type { Registry } from "./registry.ts";
import { resolveTag } from "./tags.ts";

export interface FoundImage {
  readonly record: ImageRecord;
  /** Until when the same request has the same answer, milliseconds since 1970. */
  readonly until: number;
  /** Something for a person to know about this answer. */
  readonly warning?: string;
}

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
  const { plan, until: planUntil } = await planInForce(
    registry.bucket,
    registry.config.packageSet.id,
  );
  const until = Math.min(tagUntil, planUntil);
  const scope: Scope = {
    packageSet: registry.config.packageSet.id,
    revision,
    system: request.system,
    plan,
  };
  const key = await imageKey(scope, request.names, request.shell);
  const record = await readRecord(registry.bucket, imageRecord(key));
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
  const made = await once(key, () => composed(registry, { scope, request, packages }, key));
  return { record: made, until, ...stale };
}

/**
 * Composes and stores an image, under `key` when it is the one that the name stands for from now
 * on.
 */
async function composed(
  registry: Registry,
  input: ComposeInput,
  key?: string,
): Promise<ImageRecord> {
  const image = await compose(input, listingReader(registry.bucket));
  await checkLayers(registry, image);
  await writeBlobs(registry.bucket, image.blobs);
  if (key !== undefined) {
    // Behind the answer: a record that is lost is composed again, to the same bytes.
    registry.ctx.waitUntil(writeImage(registry, key, image.record));
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

/** Last, so that whoever finds the record finds everything it names. */
async function writeImage({ bucket }: Registry, key: string, record: ImageRecord): Promise<void> {
  try {
    await writeRecord(bucket, imageRecord(key), record);
  } catch (error) {
    console.error(
      JSON.stringify({ level: "error", event: "image.record.lost", key, error: String(error) }),
    );
  }
}
