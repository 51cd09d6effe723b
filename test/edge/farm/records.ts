/** What an origin states, and the records of it, of blobs that are a few bytes long. */
import type { IndexItem, PackageItem, Result, TagItem } from "../../../edge/contract/items.ts";
import type { PackageClosure } from "../../../edge/contract/closure.ts";
import { encodeClosure } from "../../../edge/contract/closure-blob.ts";
import { digestOf, sha256Hex } from "../../../edge/contract/digest.ts";
import { blobPath, type Scope } from "../../../edge/contract/keys.ts";
import {
  type Descriptor,
  type IndexRecord,
  type IndexStatement,
  type Layer,
  type LayerRecord,
  type LayerStatement,
  type LevelRecord,
  type PackageRecord,
  type PackageStatement,
  RECORD_FORMAT,
  type SignedLayer,
} from "../../../edge/contract/records.ts";
import type { Sign } from "../../../edge/contract/signatures.ts";
import { samplePackage } from "../closures.ts";
import type { FarmEdge } from "./farm-edge.ts";
import { signOf } from "./keys.ts";

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

export async function blob(
  blobs: Blobs,
  bytes: string | Uint8Array<ArrayBuffer>,
): Promise<Descriptor> {
  const digest = await digestOf(bytes);
  await blobs.put(blobPath(digest), bytes);
  return { digest, size: bytes.length };
}

/** The gzip blob of a layer; what `compressor` packs is in the bucket afterwards. */
export async function layerStatement(
  blobs: Blobs,
  text: string,
  compressor = "gzip",
): Promise<LayerStatement> {
  return {
    key: await sha256Hex(`key ${text}`),
    codec: "gzip",
    ...(await blob(blobs, `${compressor} ${text}`)),
    diffId: await digestOf(text),
    compressor,
  };
}

/** The store path of a package. */
export const ownPath = (name: string): string => `/nix/store/${"a".repeat(32)}-${name}-1.0`;

export interface StatedPackage {
  readonly statement: PackageStatement;
  readonly layers: readonly LayerStatement[];
}

/**
 * A package of two parts: level 0 has both, level 1 the first. Its blobs are in the bucket
 * afterwards.
 */
export async function statedPackage(
  blobs: Blobs,
  name: string,
  { packageSet, revision, system, plan }: Scope = SCOPE,
  closure: PackageClosure = samplePackage(ownPath(name)),
): Promise<StatedPackage> {
  const layers = await Promise.all([layerStatement(blobs, "libc"), layerStatement(blobs, name)]);
  const statement: PackageStatement = {
    format: RECORD_FORMAT,
    packageSet,
    revision,
    system,
    plan,
    name,
    attribute: name,
    pname: name,
    version: "1.0",
    storePath: ownPath(name),
    closureSize: 1_000,
    listing: await blob(blobs, `listing of ${name}`),
    closure: await blob(blobs, encodeClosure(closure)),
    parts: layers.map(({ key }, rank) => ({ key, rank: 2 - rank })),
    levels: [[0, 1], [0]],
    level: 0,
  };
  return { statement, layers };
}

export const signedLayers = (layers: readonly LayerStatement[], sign: Sign): SignedLayer[] =>
  layers.map((statement) => ({ statement, signature: sign("layer", statement) }));

/** A package as its origin sends it. */
export function packageResult({ statement, layers }: StatedPackage, sign: Sign): Result {
  const signature = sign("package", statement);
  return { kind: "package", statement, signature, layers: signedLayers(layers, sign) };
}

/** The record of a package, all of which `origin` made. */
export async function packageRecord(
  blobs: Blobs,
  name: string,
  origin = "a",
): Promise<PackageRecord> {
  const { statement, layers } = await statedPackage(blobs, name);
  const signature = signOf(origin)("package", statement);
  return {
    ...statement,
    listingText: `listing of ${name}`,
    layers: layers.map(layerOf),
    origins: [origin],
    signed: [{ origin, signature }],
  };
}

export const layerOf = ({ key, digest, size, diffId }: LayerStatement): Layer => ({
  key,
  digest,
  size,
  diffId,
});

/** The record of a layer that `origin` made. */
export const layerRecord = (statement: LayerStatement, origin = "a"): LayerRecord => ({
  ...statement,
  signed: [{ origin, signature: signOf(origin)("layer", statement) }],
});

export const indexItem = (path: readonly string[] = []): IndexItem => {
  const { packageSet, revision, system } = SCOPE;
  return { kind: "index", packageSet, revision, system, path: [...path] };
};

/** Of a set that has git alone. */
export async function indexStatement(
  blobs: Blobs,
  { packageSet, revision, system, path }: IndexItem,
): Promise<IndexStatement> {
  const names = await blob(blobs, '["git"]');
  return { format: RECORD_FORMAT, packageSet, revision, system, path, names };
}

export const indexResult = (statement: IndexStatement, sign: Sign): Result => ({
  kind: "index",
  statement,
  signature: sign("index", statement),
});

export async function indexRecord(
  blobs: Blobs,
  item: IndexItem,
  origin = "a",
): Promise<IndexRecord> {
  const statement = await indexStatement(blobs, item);
  return { ...statement, signed: [{ origin, signature: signOf(origin)("index", statement) }] };
}

/** Level 1 of any package, whose layer `origin` made. */
export async function levelRecord(blobs: Blobs, origin = "a"): Promise<LevelRecord> {
  const layers = [layerOf(await layerStatement(blobs, "libc"))];
  return { format: RECORD_FORMAT, level: 1, layers, origins: [origin] };
}

export async function levelResult(blobs: Blobs, level: number, sign: Sign): Promise<Result> {
  const layers = signedLayers([await layerStatement(blobs, "libc")], sign);
  return { kind: "level", level, layers };
}
