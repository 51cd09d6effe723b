/**
 * The keys that an object in the bucket refers to, which must stay as long as it does. Pure. It
 * relies as little as possible on the record's format: whatever looks like a digest counts, so that
 * blobs named by a newer field, or by a record of another format, are kept.
 */
import type { Digest } from "../contract/digest.ts";
import { blobPath, layerPath, levelPath, packagePath, type Scope } from "../contract/keys.ts";
import type { ImageRecord, System } from "../contract/records.ts";

/** Every digest in a text, as a blob's key. A diffId is not a blob, but does no harm. */
export const blobsIn = (text: string): string[] =>
  Array.from(new Set(text.match(/sha256:[0-9a-f]{64}/g)), (digest) => blobPath(digest as Digest));

/** Key of a revision's mark, beside the marks of objects. */
export const revisionKey = (packageSet: string, revision: string): string =>
  `revision:${packageSet}/${revision}`;

/** Records of the image's packages on each of its systems, its revision, and its layers. */
export function ofImage(text: string): string[] {
  const record = parsed(text) as Partial<ImageRecord>;
  const { packageSet = "", revision = "", plan = "", images = {} } = record;
  const packages = Object.entries(images).flatMap(([system, { levels }]) =>
    Object.entries(levels).flatMap(([name, level]) => {
      const scope: Scope = { packageSet, revision, system: system as System, plan };
      return [packagePath(scope, name), levelPath(scope, name, level)];
    }),
  );
  return [...packages, ...ofScope(record), ...blobsIn(text)];
}

/** Layer records of a package's or level's layers, its revision, its plan, and its blobs. */
export function ofPackage(text: string): string[] {
  const record = parsed(text);
  const { layers = [] } = record as { readonly layers?: readonly { readonly key: string }[] };
  const records = layers.flatMap(({ key }) => [layerPath(key), layerPath(key, "zstd")]);
  return [...records, ...ofScope(record), ...blobsIn(text)];
}

function ofScope(record: Partial<Scope>): string[] {
  const { packageSet, revision } = record;
  const index =
    packageSet === undefined || revision === undefined ? [] : [revisionKey(packageSet, revision)];
  return [...index, ...ofPlan(record)];
}

/** The blob of a layer plan: a package is made again by the plan that first made it. */
export function ofPlan({ plan }: Partial<Scope>): string[] {
  return plan !== undefined && /^[0-9a-f]{64}$/.test(plan) ? [blobPath(`sha256:${plan}`)] : [];
}

/** The revisions that a tag means or once meant. `key`: tags/<set>/<tag>.json. */
export function ofTag(key: string, text: string): string[] {
  const [, packageSet = ""] = key.split("/");
  return Array.from(new Set(text.match(/\b[0-9a-f]{40}\b/g)), (revision) =>
    revisionKey(packageSet, revision),
  );
}

/** The file of a store path in the binary cache. */
export function ofNarinfo(text: string): string[] {
  const url = /^URL: (\S+)$/m.exec(text)?.[1];
  return url === undefined ? [] : [`cache/${url}`];
}

/** Parses JSON. A damaged text becomes an empty object, and only the digests in it count. */
export function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
