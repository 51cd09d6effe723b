/** Caches the attribute names of package sets: every new package is looked up in them. */
import * as v from "valibot";
import { digestOf } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { PackageAbout } from "../contract/package-about.ts";
import { NamesSchema } from "../contract/package-index.ts";
import type { Descriptor, IndexRecord } from "../contract/records.ts";
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import { readWhole } from "./read-whole.ts";
import { memory } from "./memory.ts";

interface Names {
  readonly names: readonly string[];
  /** Bytes as JSON. */
  readonly size: number;
}

/** Size of the cache of names, bytes: two revisions of nixpkgs. */
const REMEMBERED_BYTES = 8 * 2 ** 20;
/**
 * Memory of a name, including its entry in the look-up table (contract/package-index.ts), as a
 * multiple of its JSON.
 */
const OBJECT_FACTOR = 8;
const remembered = memory<Names>(REMEMBERED_BYTES, ({ size }) => size * OBJECT_FACTOR);

/** The names of an index, if they are in this isolate's cache. */
export const rememberedNames = ({ names: { digest } }: IndexRecord): readonly string[] | null =>
  remembered.get(digest)?.names ?? null;

/** The names of an index; null when they are missing from the bucket, or have another digest. */
export async function readNames(
  bucket: Bucket,
  { names: { digest, size } }: IndexRecord,
): Promise<readonly string[] | null> {
  const known = remembered.get(digest);
  if (known !== undefined) return known.names;
  const text = await readIntact(bucket, { digest, size });
  const names = text === null ? null : parse(text);
  if (names === null) note("warn", "index.damaged", { path: blobPath(digest) });
  else remembered.set(digest, { names, size });
  return names;
}

/** The text of a blob; null when it is missing from the bucket, or has another digest. */
async function readIntact(bucket: Bucket, { digest, size }: Descriptor): Promise<string | null> {
  const blob = await readWhole(bucket, blobPath(digest), (object) => object.size === size);
  const isIntact = blob !== null && (await digestOf(blob.bytes)) === digest;
  return isIntact ? new TextDecoder().decode(blob.bytes) : null;
}

function parse(text: string): readonly string[] | null {
  try {
    const parsed = v.safeParse(NamesSchema, JSON.parse(text));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}

/** Size of the cache of versions and descriptions, bytes: those of one revision of nixpkgs. */
const ABOUT_BYTES = 9 * 2 ** 20;
/** Descriptions have characters beyond Latin-1, so V8 keeps two bytes for each. */
const abouts = memory<PackageAbout>(ABOUT_BYTES, ({ length }) => 2 * length);

/**
 * What is known of the packages of an index; null when its set has no such list, or it is damaged.
 */
export async function readAbout(
  bucket: Bucket,
  { about }: IndexRecord,
): Promise<PackageAbout | null> {
  if (about === undefined) return null;
  const known = abouts.get(about.digest);
  if (known !== undefined) return known;
  const text = await readIntact(bucket, about);
  if (text === null) {
    note("warn", "index.damaged", { path: blobPath(about.digest) });
    return null;
  }
  const read = new PackageAbout(text);
  abouts.set(about.digest, read);
  return read;
}
