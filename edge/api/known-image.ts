/**
 * What the bucket knows of an image, without asking an origin: its record, if it was composed; the
 * records of its packages; and which packages must be built first or do not exist.
 */
import type { ComposePackage } from "../compose/compose.ts";
import type { PackageItem } from "../contract/items.ts";
import type { Scope } from "../contract/keys.ts";
import type { ImageRequest } from "../contract/names.ts";
import type { PackageRecord, SystemImage } from "../contract/records.ts";
import type { Context } from "../pull/context.ts";
import { imageNameOf } from "../pull/images/derived-blobs.ts";
import type { Failed } from "../pull/failures.ts";
import { readImage } from "../pull/images/image-records.ts";
import { knownPackages } from "../pull/packages/package-levels.ts";
import { knownRecords, packageItem } from "../pull/packages/package-records.ts";
import { unknownPackages } from "../pull/packages/unknown-packages.ts";
import { type LayerFacts, layersOf } from "./layers.ts";

export interface KnownImage {
  readonly scope: Scope;
  readonly request: ImageRequest;
  /** Null when nobody has pulled it for this system. */
  readonly image: SystemImage | null;
  /** Why there is no image for this system and never will be at this revision; null otherwise. */
  readonly absence: string | null;
  /** One for each of `request.names`; null when not published. */
  readonly records: readonly (PackageRecord | null)[];
  /** Null unless all packages are published and their layers made. */
  readonly packages: readonly ComposePackage[] | null;
  readonly layers: readonly LayerFacts[] | null;
  /** Items that a pull would ask the farm for. */
  readonly missing: readonly PackageItem[];
  /** Packages that do not exist, according to the lists of names. */
  readonly unknown: readonly Failed[];
}

/** Throws NAME_INVALID (400), as a pull would, when the packages need too many layers. */
export async function knownImage(
  context: Context,
  scope: Scope,
  request: ImageRequest,
): Promise<KnownImage> {
  const [record, records] = await Promise.all([
    readImage(context.bucket, imageNameOf(context, request), scope),
    knownRecords(context, scope, request.names),
  ]);
  const image = record?.images[scope.system] ?? null;
  const absence = record?.without[scope.system]?.message ?? null;
  const published = records.filter((each) => each !== null);
  const facts = { scope, request, image, absence, records };
  if (published.length < records.length) {
    const names = request.names.filter((_, at) => records[at] === null);
    const requested = names.filter((name) => request.requested.includes(name));
    const unknown = await unknownPackages(context, scope, requested, "known only");
    const missing = names.map((name) => packageItem(scope, { name }));
    return { ...facts, packages: null, layers: null, missing, unknown };
  }
  const { packages, absent } = await knownPackages(context, scope, published);
  const missing = absent.map((level) => packageItem(scope, level));
  const layers = packages && layersOf(packages, image);
  return { ...facts, packages, layers, missing, unknown: [] };
}
