/**
 * Makes an image without an edge: does what an origin does for each package, and then what the edge
 * does with the records. The image is that of a registry, byte for byte, when package set,
 * revision, layer plan and compressor are the same.
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

/** What is needed to make an image. */
export interface MakeImageParts {
  readonly packageSet: Pick<PackageSet, "build">;
  /** Reads a closure; default: from Nix's database. */
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

/** Packages of an image could not be built. */
export class PackagesFailed extends Error {
  override readonly name = "PackagesFailed";
  /** By package. */
  readonly failures: ReadonlyMap<string, Failure>;

  constructor(failures: ReadonlyMap<string, Failure>) {
    const messages = new Set([...failures.values()].map(({ message }) => message));
    super([...messages].join("\n"));
    this.failures = failures;
  }

  /** Whether all failures are unknown packages. */
  get unknown(): boolean {
    return [...this.failures.values()].every(({ reason }) => reason === "unknown");
  }

  /** Whether a package does not exist for the system at this revision, on any machine. */
  get absent(): boolean {
    const failures = [...this.failures.values()];
    return failures.some(({ reason }) => reason === "unknown" || reason === "refused");
  }
}

/**
 * Makes the image of a request for one system. Throws PackagesFailed when packages cannot be built,
 * and an Error when they have too many layers or files for an image.
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

/** The packages at the levels that fit into one image; makes further layers where needed. */
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

/** Publishes packages into the directory. Throws PackagesFailed. */
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

/** The layers of a package at a level. */
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
