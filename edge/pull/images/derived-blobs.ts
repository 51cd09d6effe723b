/**
 * Derived blobs: blobs that are not stored in the bucket, but made when they are requested. The
 * config and manifests of an image are encoded from its record; its profile layer is composed from
 * the records of its packages.
 *
 * So a combination that nobody pulls a second time costs one small record. A blob stays in the
 * isolate's memory for a while, since the client that just pulled asks for it next.
 */
import type { ComposedBlob as DerivedBlob } from "../../compose/compose.ts";
import { imageTexts, manifestsOf, recordIndexes } from "../../compose/texts.ts";
import type { Digest } from "../../contract/digest.ts";
import type { Scope } from "../../contract/keys.ts";
import { OCI_CONFIG } from "../../contract/media-types.ts";
import type { ImageRequest } from "../../contract/names.ts";
import type { ImageRecord, System } from "../../contract/records.ts";
import { note } from "../../log.ts";
import { DERIVED_MS } from "../../store/fresh.ts";
import { memory } from "../../store/memory.ts";
import { composeWithin } from "./composing.ts";
import type { Context } from "../context.ts";
import { findImageByDigest } from "./images-of-name.ts";
import { type ImageName, nameOf } from "./image-paths.ts";
import { digestsOf } from "./image-digests.ts";
import { singleFlight } from "../single-flight.ts";
import { withPackages } from "../packages/complete-packages.ts";

export type { DerivedBlob };

/** Texts, bytes: those of about 300 images for two platforms. */
const TEXTS_BYTES = 9 * 2 ** 20;
/** Profile layers, bytes: about 5 of 1.5 MB. */
const LAYERS_BYTES = 8 * 2 ** 20;

const texts = memory<DerivedBlob>(TEXTS_BYTES, ({ size }) => size, DERIVED_MS);
const layers = memory<DerivedBlob>(LAYERS_BYTES, ({ size }) => size, DERIVED_MS);

/** The name under which images of `request` are looked up. */
export const imageNameOf = (
  { config: { packageSet } }: Pick<Context, "config">,
  { names, shell }: ImageRequest,
): ImageName => ({ packageSet: packageSet.id, names, shell });

const keyOf = (name: ImageName, digest: Digest): string => `${digest} ${nameOf(name)}`;

/** Remembers the blobs of an image that was just composed, or encoded from its record. */
export function rememberDerived(name: ImageName, blobs: readonly DerivedBlob[]): void {
  for (const blob of blobs) (isText(blob) ? texts : layers).set(keyOf(name, blob.digest), blob);
}

/** A blob that this isolate made recently. Does not ask the bucket. */
export function rememberedDerived(name: ImageName, digest: Digest): DerivedBlob | null {
  const key = keyOf(name, digest);
  return texts.get(key) ?? layers.get(key) ?? null;
}

/** A manifest of an image whose record is known; null when it has none of that digest. */
export function manifestOf(
  name: ImageName,
  record: ImageRecord,
  digest: Digest,
): DerivedBlob | null {
  const known = texts.get(keyOf(name, digest));
  if (known !== undefined) return known;
  const all = encoded(name, record);
  rememberDerived(name, all);
  return all.find((text) => text.digest === digest) ?? null;
}

/**
 * Encodes the texts of a record that are not in memory. A client that gets an index asks next for
 * one of its manifests by digest, which is then found in memory.
 */
function encoded(name: ImageName, record: ImageRecord): DerivedBlob[] {
  const indexes = [...recordIndexes(record).values()].flatMap(({ oci, docker }) => [oci, docker]);
  const images = Array.from(digestsOf(record).images, ([system, digests]) => {
    const image = record.images[system];
    const { profile: _, ...own } = digests;
    const isThere = Object.values(own).every(
      (digest) => digest === undefined || texts.has(keyOf(name, digest)),
    );
    return isThere || image === undefined ? [] : manifestsOf(imageTexts(image));
  });
  return [...images.flat(), ...indexes];
}

/**
 * The manifest with this digest, of any image of the name at any revision; null when there is none.
 */
export async function derivedManifest(
  { bucket }: Pick<Context, "bucket">,
  name: ImageName,
  digest: Digest,
): Promise<DerivedBlob | null> {
  const known = rememberedDerived(name, digest);
  if (known !== null) return isManifest(known) ? known : null;
  const record = await findImageByDigest(bucket, name, digest);
  const found = record && manifestOf(name, record, digest);
  return found !== null && isManifest(found) ? found : null;
}

/**
 * The config, manifest or profile layer with this digest, of any image of the name at any revision.
 * Null when there is none, or when the layer would now have other bytes, which is logged. Throws as
 * withPackages does, since an origin may have to make lost blobs again.
 */
export async function derivedBlob(
  context: Context,
  request: ImageRequest,
  digest: Digest,
): Promise<DerivedBlob | null> {
  const name = imageNameOf(context, request);
  const known = rememberedDerived(name, digest);
  if (known !== null) return known;
  const record = await findImageByDigest(context.bucket, name, digest);
  if (record === null) return null;
  for (const [system, { profile }] of digestsOf(record).images)
    if (profile === digest)
      return singleFlight(`layer ${digest}`, () =>
        profileLayer(context, request, { record, system }),
      );
  return manifestOf(name, record, digest);
}

const isText = ({ mediaType }: DerivedBlob): boolean => mediaType.endsWith("json");
const isManifest = (blob: DerivedBlob): boolean => isText(blob) && blob.mediaType !== OCI_CONFIG;

/** Composes the image of a record again, for its profile layer. */
async function profileLayer(
  context: Context,
  request: ImageRequest,
  { record, system }: { readonly record: ImageRecord; readonly system: System },
): Promise<DerivedBlob | null> {
  const digest = record.images[system]?.layers.at(-1)?.digest;
  const scope = scopeOf(record, system);
  const { blobs } = await withPackages(context, { scope, request }, (input) =>
    composeWithin(context.bucket, input),
  );
  const layer = blobs.find((blob) => blob.digest === digest);
  if (layer === undefined) {
    note("error", "image.layer.lost", { image: request.name, digest, ...scope });
    return null;
  }
  rememberDerived(imageNameOf(context, request), [layer]);
  return layer;
}

/** The scope of a record's packages for one system. */
export const scopeOf = ({ packageSet, revision, plan }: ImageRecord, system: System): Scope => ({
  packageSet,
  revision,
  system,
  plan,
});
