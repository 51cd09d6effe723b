/**
 * Makes an image on this machine, without an edge: what an origin does for a package, and what the
 * edge does with its records, one after the other. The result is the registry's, byte for byte, for
 * the same package set, revision, layer plan and compressor.
 *
 *   names → publish (origin) → records → chooseLevels → compose (edge) → config, manifests, layers
 */
import { compose, type ComposedImage, type ComposePackage } from "../../edge/compose/compose.ts";
import type { Failure, PackageItem, Result } from "../../edge/contract/items.ts";
import type { Scope } from "../../edge/contract/keys.ts";
import { chooseLevels } from "../../edge/contract/levels.ts";
import type { ImageRequest } from "../../edge/contract/names.ts";
import {
  type Layer,
  type LevelRecord,
  MAX_LAYERS,
  type PackageRecord,
  type PackageStatement,
  RECORD_FORMAT,
} from "../../edge/contract/records.ts";
import type { Sign } from "../../edge/contract/signatures.ts";
import type { LayerStore } from "../layers/index.ts";
import type { NixLimits } from "../nix/limits.ts";
import type { Closure, PackageSet } from "../nix/types.ts";
import type { PlanStore } from "../plan/plans.ts";
import { publish } from "../publish/publish.ts";
import { type DirectoryBucket, MAKER } from "./directory-bucket.ts";

/** What making an image takes. */
export interface MakeImageParts {
  readonly packageSet: Pick<PackageSet, "build">;
  /** Reads the closure of what was built; of Nix's database when left out. */
  readonly readClosure?: ((roots: readonly string[]) => Promise<Closure>) | undefined;
  readonly bucket: DirectoryBucket;
  readonly layers: LayerStore;
  readonly plans: PlanStore;
  /** Version of this machine's Nix. */
  readonly nix: string;
  readonly sign: Sign;
  /** Whether layers are also made with zstd. */
  readonly zstd: boolean;
  readonly limits: Partial<NixLimits>;
  readonly signal: AbortSignal;
  /** One line of Nix's output. */
  readonly log: (line: string) => void;
}

/** Packages of the image that cannot be had. */
export class PackagesFailed extends Error {
  override readonly name = "PackagesFailed";
  /** By package. */
  readonly failures: ReadonlyMap<string, Failure>;

  constructor(failures: ReadonlyMap<string, Failure>) {
    const messages = new Set([...failures.values()].map(({ message }) => message));
    super([...messages].join("\n"));
    this.failures = failures;
  }

  /** Whether all of it is that there are no such packages. */
  get unknown(): boolean {
    return [...this.failures.values()].every(({ reason }) => reason === "unknown");
  }

  /** Whether the revision decides it: no other machine can have them for this system. */
  get absent(): boolean {
    const failures = [...this.failures.values()];
    return failures.some(({ reason }) => reason === "unknown" || reason === "refused");
  }
}

/**
 * The image of a request for the system of a scope. Throws PackagesFailed, and an InvalidName where
 * the packages have too many layers or files for one image.
 */
export async function makeImage(
  parts: MakeImageParts,
  request: ImageRequest,
  scope: Scope,
): Promise<ComposedImage> {
  const items = request.names.map((name): PackageItem => ({ kind: "package", ...scope, name }));
  const records = await packageRecords(parts, scope, items);
  const packages = await atLevels(parts, scope, records);
  const { bucket } = parts;
  return compose({ scope, request, packages }, bucket.readRange);
}

async function packageRecords(
  parts: MakeImageParts,
  scope: Scope,
  items: readonly PackageItem[],
): Promise<PackageRecord[]> {
  const results = await publishAll(parts, scope, items);
  return Promise.all(
    results.map(async (result): Promise<PackageRecord> => {
      if (result.kind !== "package") throw new TypeError(`a package was answered ${result.kind}`);
      const { statement, signature } = result;
      return {
        ...statement,
        layers: await layersOf(parts, statement, statement.level),
        origins: [MAKER],
        signed: [{ origin: MAKER, signature }],
      };
    }),
  );
}

/** The packages at the levels that they have in one image, with the layers of these. */
async function atLevels(
  parts: MakeImageParts,
  scope: Scope,
  records: readonly PackageRecord[],
): Promise<ComposePackage[]> {
  const levels = chooseLevels(records);
  if (levels === null)
    throw new Error(
      `the ${records.length} packages of this image have more than ${MAX_LAYERS - 1} layers ` +
        `together, which docker cannot mount: request fewer packages`,
    );
  const further = records.flatMap((record, at) => {
    const level = levels[at] ?? record.level;
    return level === record.level ? [] : [{ record, level }];
  });
  if (further.length === 0) return records.map((record) => ({ record }));
  await publishAll(
    parts,
    scope,
    further.map(({ record, level }) => ({ kind: "package", ...scope, name: record.name, level })),
  );
  return Promise.all(
    records.map(async (record, at): Promise<ComposePackage> => {
      const level = levels[at] ?? record.level;
      if (level === record.level) return { record };
      const layers = await layersOf(parts, record, level);
      const made: LevelRecord = { format: RECORD_FORMAT, level, layers, origins: [MAKER] };
      return { record, made };
    }),
  );
}

/** Publishes into the directory, and remembers what the layers were packed to. */
async function publishAll(
  { bucket, ...context }: MakeImageParts,
  scope: Scope,
  items: readonly PackageItem[],
): Promise<Result[]> {
  const results = await publish(scope, items, context);
  const failures = new Map<string, Failure>();
  for (const [at, result] of results.entries()) {
    const name = items[at]?.name ?? "";
    if (result.kind === "failure") failures.set(name, result.failure);
    else if (result.kind === "package" || result.kind === "level")
      for (const { statement } of result.layers) await bucket.remember(statement);
  }
  if (failures.size > 0) throw new PackagesFailed(failures);
  return results;
}

/** The made layers of a package at a level. */
function layersOf(
  { bucket, zstd }: MakeImageParts,
  { name, parts, levels }: PackageStatement,
  level: number,
): Promise<Layer[]> {
  return Promise.all(
    (levels[level] ?? []).map(async (index) => {
      const part = parts[index];
      if (part === undefined) throw new RangeError(`${name} has no part ${index}`);
      const { key } = part;
      const gzip = await bucket.layer(key, "gzip");
      if (gzip === undefined) throw new Error(`layer ${key} of ${name} was not made`);
      const inZstd = zstd && part.small === undefined ? await bucket.layer(key, "zstd") : undefined;
      const { digest, size, diffId, trees } = gzip;
      return {
        key,
        digest,
        size,
        diffId,
        ...(inZstd && { zstd: { digest: inZstd.digest, size: inZstd.size } }),
        ...(trees && { trees }),
      };
    }),
  );
}
