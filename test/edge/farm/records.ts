/** Package records as an origin makes them, of blobs that are a few bytes long. */
import type { IndexItem, PackageItem, TagItem } from "../../../edge/contract/messages.ts";
import { digestOf, sha256Hex } from "../../../edge/contract/digest.ts";
import { blobPath, type Scope } from "../../../edge/contract/keys.ts";
import {
  type Descriptor,
  type IndexRecord,
  type Layer,
  type LevelRecord,
  type PackageRecord,
  RECORD_FORMAT,
} from "../../../edge/contract/records.ts";
import type { FarmEdge } from "./farm-edge.ts";

export const REVISION = "0123456789abcdef0123456789abcdef01234567";

/** What all packages of the tests have in common. */
export const SCOPE: Scope = {
  packageSet: "starter",
  revision: REVISION,
  system: "x86_64-linux",
  plan: "none",
};

export const tagItems = (tag = "latest", packageSet = "starter"): TagItem[] => [
  { kind: "tag", packageSet, tag },
];

/** `curl` asks for the record of curl, `curl~1` for the layers of its level 1. */
export const packageItems = (names: readonly string[], scope: Partial<Scope> = {}): PackageItem[] =>
  names.map((text) => {
    const [name = "", level] = text.split("~");
    return {
      kind: "package",
      ...SCOPE,
      ...scope,
      name,
      ...(level === undefined ? {} : { level: Number(level) }),
    };
  });

/** Writes blobs; anything with `put` will do. */
export type Blobs = Pick<FarmEdge, "put">;

async function blob(blobs: Blobs, text: string): Promise<Descriptor> {
  const digest = await digestOf(text);
  await blobs.put(blobPath(digest), text);
  return { digest, size: text.length };
}

async function layer(blobs: Blobs, text: string): Promise<Layer> {
  return {
    key: await sha256Hex(`key ${text}`),
    ...(await blob(blobs, `gzip ${text}`)),
    diffId: await digestOf(text),
  };
}

/**
 * A package of two parts: level 0 has both, level 1 the first. Its blobs are in the bucket
 * afterwards.
 */
export async function packageRecord(
  blobs: Blobs,
  name: string,
  { packageSet, revision, system, plan }: Scope = SCOPE,
): Promise<PackageRecord> {
  const layers = await Promise.all([layer(blobs, "libc"), layer(blobs, name)]);
  return {
    format: RECORD_FORMAT,
    packageSet,
    revision,
    system,
    plan,
    name,
    attribute: name,
    pname: name,
    version: "1.0",
    storePath: `/nix/store/${"a".repeat(32)}-${name}-1.0`,
    closureSize: 1_000,
    listing: await blob(blobs, `listing of ${name}`),
    parts: layers.map(({ key }, rank) => ({ key, rank: 2 - rank })),
    levels: [[0, 1], [0]],
    level: 0,
    layers,
  };
}

export const indexItem = (path: readonly string[] = []): IndexItem => {
  const { packageSet, revision, system } = SCOPE;
  return { kind: "index", packageSet, revision, system, path: [...path] };
};

/** Of a set that has git alone. */
export async function indexRecord(
  blobs: Blobs,
  { packageSet, revision, system, path }: IndexItem,
): Promise<IndexRecord> {
  const names = await blob(blobs, '["git"]');
  return { format: RECORD_FORMAT, packageSet, revision, system, path, names };
}

export async function levelRecord(blobs: Blobs, level: number): Promise<LevelRecord> {
  return { format: RECORD_FORMAT, level, layers: [await layer(blobs, "libc")] };
}
