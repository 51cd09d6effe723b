/** Manifests as bytes, by digest: remembered, or read from the bucket and checked. */
import { MANIFEST_TYPES } from "../contract/media-types.ts";
import { type Digest, digestOf } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { note } from "../log.ts";
import { memory } from "./memory.ts";
import { type Bucket, readWhole } from "./bucket.ts";

export interface ManifestBlob {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly mediaType: string;
}

/** Manifests that are remembered, bytes: about 800 of 10 to 20 kB. */
const REMEMBERED_BYTES = 12 * 2 ** 20;
/** Largest manifest that is served, bytes: ours are below 100 kB; clients take 4 MiB. */
const MAX_MANIFEST_BYTES = 2 ** 20;

const remembered = memory<ManifestBlob>(REMEMBERED_BYTES, ({ bytes }) => bytes.length);

export function rememberManifest(digest: Digest, manifest: ManifestBlob): void {
  remembered.set(digest, manifest);
}

/**
 * The manifest of that digest, or null when the bucket has none: a layer, config or listing is no
 * manifest, whatever its digest. Origins can write blobs too, so what is not remembered is hashed
 * again and must say of itself what its content type says; 50 kB take a tenth of a millisecond.
 */
export async function readManifest(bucket: Bucket, digest: Digest): Promise<ManifestBlob | null> {
  const known = remembered.get(digest);
  if (known !== undefined) return known;
  const object = await readWhole(
    bucket,
    blobPath(digest),
    (found) => found.size <= MAX_MANIFEST_BYTES && MANIFEST_TYPES.includes(found.contentType ?? ""),
  );
  if (object === null) return null;
  const mediaType = object.contentType ?? "";
  if ((await digestOf(object.bytes)) !== digest || mediaTypeOf(object.bytes) !== mediaType) {
    note("error", "manifest.refused", {
      digest,
      mediaType,
      reason: "the blob is not what its name and content type say",
    });
    await bucket.dropCopy?.(blobPath(digest));
    return null;
  }
  const manifest = { bytes: object.bytes, mediaType };
  rememberManifest(digest, manifest);
  return manifest;
}

/** What a manifest says it is. */
function mediaTypeOf(bytes: Uint8Array): unknown {
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof json === "object" && json !== null && "mediaType" in json
      ? json.mediaType
      : undefined;
  } catch {
    return undefined;
  }
}
