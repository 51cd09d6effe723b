/**
 * From a name and a tag to an image. First what the bucket knows already:
 *
 *   tag → revision → image record
 *
 * and for each system that no image record knows (platforms.ts):
 *
 *   package records → made layers of one level → compose → blobs, then the image record
 *
 * Only a tag, package or level that was never asked for before waits for an origin.
 */
import type { ComposedImage, ComposeInput } from "../../compose/compose.ts";
import type { ImageScope } from "../../contract/keys.ts";
import type { ImageRequest } from "../../contract/names.ts";
import { BlobsLost, missingBlobs } from "../../store/blobs.ts";
import type { Bucket } from "../../store/bucket.ts";
import { planInForce } from "../../store/current.ts";
import { inheritAge } from "../../store/records.ts";
import { composeWithin } from "./composing.ts";
import type { Context } from "../context.ts";
import { imageNameOf, rememberDerived } from "./derived-blobs.ts";
import { readImage } from "./image-records.ts";
import { type ImageName, nameOf } from "./image-paths.ts";
import { keepPackages } from "./claim-packages.ts";
import { spend, spendTotal } from "../limits.ts";
import { singleFlight } from "../single-flight.ts";
import { refuseUnknown } from "../packages/package-records.ts";
import { checkAllowed } from "../permission.ts";
import { completeImage, type FoundImage } from "./platforms.ts";
import { absences, isComplete, type WantedSystems } from "../wanted-systems.ts";
import { resolveTag } from "../tags/resolve-tag.ts";
import { recordsOf, withPackages } from "../packages/complete-packages.ts";

/** What is asked for: a name and a tag, and for which systems. */
export interface Asked {
  readonly request: ImageRequest;
  readonly tag: string;
  readonly wanted: WantedSystems;
}

/**
 * The image of a name and a tag. A hit touches no Durable Object and no origin; everything else
 * waits for BUILD_WAIT at most. Throws a RegistryError for what the person who pulls can know;
 * what else they should know is in `context.warnings` then.
 */
export async function findImage(
  context: Context,
  { request, tag, wanted }: Asked,
): Promise<FoundImage> {
  checkAllowed(context, request);
  const scope = await resolveScope(context, tag);
  refuseUnknown(context, scope, { request, wanted });
  const name = imageNameOf(context, request);
  const known = await readImage(context.bucket, name, scope);
  if (known !== null && isComplete(known, wanted))
    return { record: known, absent: absences(known, wanted) };

  if (known === null) {
    spend(context, "images");
    spendTotal(context, "total_images");
  }
  return completeImage(context, { name, scope, wanted, known }, (own, system) =>
    withPackages(own, { scope: { ...scope, system }, request }, (input) =>
      singleFlight(`image ${nameOf(name)} ${scope.revision} ${scope.plan} ${system}`, () =>
        composeImage(context.bucket, name, input),
      ),
    ),
  );
}

/**
 * The revision and plan. Both are read at the same time, to save an isolate without them a round
 * trip.
 */
async function resolveScope(context: Context, tag: string): Promise<ImageScope> {
  const { bucket, config } = context;
  const packageSet = config.packageSet.id;
  const early = planInForce(bucket, packageSet).catch(() => undefined);
  const revision = await resolveTag(context, tag);
  await early;
  // From memory, unless an origin had to resolve the tag: that takes time, and the plan may change.
  const plan = await planInForce(bucket, packageSet);
  return { packageSet, revision, plan };
}

/**
 * Composes an image for one system. The layers of origins are not looked for in the bucket: they
 * were there when their records were written, and garbage collection keeps them. One that was lost
 * in another way is made again when a client downloads it (restore-layer.ts). Throws BlobsLost.
 */
async function composeImage(
  bucket: Bucket,
  name: ImageName,
  input: ComposeInput,
): Promise<ComposedImage> {
  const [composed, deleted] = await Promise.all([
    composeWithin(bucket, input),
    keepPackages(bucket, input),
  ]);
  const missing = await missingBlobs(bucket, deleted);
  if (missing.length > 0) throw new BlobsLost(missing.map(({ digest }) => digest));
  rememberDerived(name, composed.blobs);
  inheritAge(composed.image, recordsOf(input));
  return composed;
}
