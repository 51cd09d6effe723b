/**
 * From a name and a tag to an image. First what the bucket already knows:
 *
 *   tag → revision → image record
 *
 * and for each system that no image record knows (platforms.ts):
 *
 *   package records → made layers of one level → compose → blobs, then the image record
 *
 * Only a tag, package or level that was never requested before waits for an origin.
 */
import type { ComposedImage, ComposeInput } from "../../compose/compose.ts";
import type { ImageScope } from "../../contract/keys.ts";
import type { ImageRequest } from "../../contract/names.ts";
import { BlobsLost, missingNow } from "../../store/blobs.ts";
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

/** What is requested: a name and a tag, and for which systems. */
export interface Asked {
  readonly request: ImageRequest;
  readonly tag: string;
  readonly wanted: WantedSystems;
}

/**
 * The image of a name and a tag. A hit touches no Durable Object and no origin; anything else waits
 * for at most BUILD_WAIT. Throws a RegistryError for the person who pulls; whatever else they
 * should know is in `context.warnings`.
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
 * The revision and plan, read at the same time to save a round trip in an isolate that has neither.
 */
async function resolveScope(context: Context, tag: string): Promise<ImageScope> {
  const { bucket, config } = context;
  const packageSet = config.packageSet.id;
  const early = planInForce(bucket, packageSet).catch(() => undefined);
  const revision = await resolveTag(context, tag);
  await early;
  // From memory, unless an origin had to resolve the tag: meanwhile the plan may have changed.
  const plan = await planInForce(bucket, packageSet);
  return { packageSet, revision, plan };
}

/**
 * Composes an image for one system. It does not check that the layers of origins are in the bucket:
 * they were when their records were written, and garbage collection keeps them. A layer that was
 * lost otherwise is made again when a client downloads it (restore-layer.ts). Throws BlobsLost.
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
  const missing = await missingNow(bucket, deleted);
  if (missing.length > 0) throw new BlobsLost(missing.map(({ digest }) => digest));
  rememberDerived(name, composed.blobs);
  inheritAge(composed.image, recordsOf(input));
  return composed;
}
