/**
 * Restores a layer that an image names and the bucket has lost: an origin makes its packages again.
 * With the same compressor the layer has the same bytes as before.
 *
 * With another one the image's digests can no longer be pulled, and the error says so. The image's
 * records are withdrawn, so that a pull by tag composes it from the new layers.
 */
import type { Digest } from "../../contract/digest.ts";
import type { ImageRequest } from "../../contract/names.ts";
import { blobsOf } from "../../contract/records.ts";
import { note } from "../../log.ts";
import { BlobsLost, missingNow } from "../../store/blobs.ts";
import type { Context } from "../context.ts";
import { imageNameOf, scopeOf } from "./derived-blobs.ts";
import { blobUnknown } from "../errors.ts";
import { withdrawImage } from "./image-records.ts";
import { findImageByLayer } from "./images-of-name.ts";
import { withPackages } from "../packages/complete-packages.ts";

/**
 * Whether the blob is a layer of the image and is in the bucket again. To be called when the bucket
 * lacks it. Throws as withPackages does, and BLOB_UNKNOWN (404) when it is gone for good.
 */
export async function restoreLayer(
  context: Context,
  request: ImageRequest,
  digest: Digest,
): Promise<boolean> {
  const { bucket } = context;
  const name = imageNameOf(context, request);
  const image = await findImageByLayer(bucket, name, digest);
  if (image === null) return false;
  const { record, system, blob } = image;
  const scope = scopeOf(record, system);
  await withPackages(context, { scope, request }, async ({ packages }) => {
    const named = packages.flatMap(({ record, made }) => blobsOf(made ?? record));
    const isNamed = named.some((other) => other.digest === digest);
    if (isNamed && (await missingNow(bucket, [blob])).length > 0) throw new BlobsLost([digest]);
  });
  if ((await missingNow(bucket, [blob])).length === 0) return true;
  const withdrawn = await withdrawImage(bucket, name, record, digest);
  note("warn", "image.withdrawn", { paths: withdrawn, lost: digest });
  throw blobUnknown(
    `the layer ${digest} of ${request.name} was lost, and was made again with other bytes: ` +
      `the image's earlier digests can no longer be pulled; pull it by its tag`,
    { digest },
  );
}
