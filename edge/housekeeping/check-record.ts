/**
 * Checks the text of one record against its path and signatures, and lists what it names. No I/O.
 */
import * as v from "valibot";
import { indexPath, layerPath, levelPath, packagePath } from "../contract/keys.ts";
import {
  blobsOf,
  type Descriptor,
  ImageRecordSchema,
  IndexRecordSchema,
  type IndexStatement,
  LayerRecordSchema,
  LevelRecordSchema,
  PackageRecordSchema,
  PlanPointerSchema,
  type ImageRecord,
  statementOf,
  systemsOf,
  type Vouch,
} from "../contract/records.ts";
import {
  isSignedBy,
  type SignedKind,
  type Statements,
  vouchersOf,
} from "../contract/signatures.ts";
import type { Problem, VerifyKind } from "../contract/verify.ts";
import { hasDigestsOf } from "../pull/images/image-paths.ts";

/** The public key of an origin that may sign, undefined for any other. */
export type KeyOf = (origin: string) => string | undefined;

export interface Checked {
  readonly problem?: Problem;
  readonly detail: readonly string[];
  /** Description of the record, for people. */
  readonly what?: string;
  /** Blobs that it names. */
  readonly blobs: readonly Descriptor[];
  /** Keys of other objects that it needs. */
  readonly objects: readonly string[];
}

const MAX_DETAIL = 300;
const NOTHING: Checked = { detail: [], blobs: [], objects: [] };
const damaged = (reason: string): Checked => ({
  ...NOTHING,
  problem: "damaged",
  detail: [reason.slice(0, MAX_DETAIL)],
});

type Check = (key: string, json: unknown, keyOf: KeyOf) => Checked | Promise<Checked>;

/** Problems of the record at `key` that its text alone shows. */
export async function checkRecord(
  kind: VerifyKind,
  key: string,
  text: string,
  keyOf: KeyOf,
): Promise<Checked> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return damaged("it is not JSON");
  }
  return CHECKS[kind](key, json, keyOf);
}

/** A check for records that match the schema; any other record is damaged. */
const of =
  <T>(
    schema: v.GenericSchema<unknown, T>,
    check: (key: string, record: T, keyOf: KeyOf) => Checked | Promise<Checked>,
  ): Check =>
  (key, json, keyOf) => {
    const parsed = v.safeParse(schema, json);
    return parsed.success ? check(key, parsed.output, keyOf) : damaged(v.summarize(parsed.issues));
  };

const elsewhere = damaged("it is the record of something else");

const checkPackage = of(PackageRecordSchema, async (key, record, keyOf) => {
  if (packagePath(record, record.name) !== key) return elsewhere;
  const vouched = await vouching("package", statementOf(record), record.signed, keyOf);
  return { ...NOTHING, ...vouched, what: record.name, blobs: blobsOf(record) };
});

const checkLevel = of(LevelRecordSchema, (key, record) => {
  const place = placeOfPackage(key);
  if (place?.level !== record.level) return elsewhere;
  return { ...NOTHING, what: `${place.name}, level ${place.level}`, blobs: blobsOf(record) };
});

const CHECKS: Readonly<Record<VerifyKind, Check>> = {
  blobs: () => NOTHING,
  plans: of(PlanPointerSchema, (_, { plan }) => ({
    ...NOTHING,
    objects: plan === "none" ? [] : [`blobs/sha256/${plan}`],
  })),
  packages: (key, json, keyOf) => (key.includes("~") ? checkLevel : checkPackage)(key, json, keyOf),
  layers: of(LayerRecordSchema, async (key, record, keyOf) => {
    if (layerPath(record.key, record.codec) !== key) return elsewhere;
    const { digest, size, signed } = record;
    const vouchers = await vouchersOf(record, keyOf);
    const vouched = verdict(signed, vouchers, keyOf);
    return { ...NOTHING, ...vouched, blobs: [{ digest, size }] };
  }),
  indexes: of(IndexRecordSchema, async (key, record, keyOf) => {
    if (indexPath(record, record.path) !== key) return elsewhere;
    const { signed, ...statement } = record;
    const vouched = await vouching("index", statement as IndexStatement, signed, keyOf);
    return { ...NOTHING, ...vouched, blobs: [record.names] };
  }),
  images: of(ImageRecordSchema, (key, record) => {
    if (!hasDigestsOf(key, record))
      return damaged("the digests of its manifests do not match its path");
    return { ...NOTHING, what: packagesOf(record).join("/"), ...ofImage(record) };
  }),
};

const packagesOf = ({ images }: ImageRecord): string[] => [
  ...new Set(Object.values(images).flatMap(({ levels }) => Object.keys(levels))),
];

/**
 * What an image names: layers of origins, and the package records from which its profile layer is
 * composed.
 */
function ofImage(record: ImageRecord): Pick<Checked, "blobs" | "objects"> {
  const all = systemsOf(record).map((system) => ({ system, ...record.images[system] }));
  const blobs = all
    .flatMap(({ layers = [] }) => layers.slice(0, -1))
    .flatMap(({ digest, size, zstd }) => [{ digest, size }, ...(zstd ? [zstd] : [])]);
  const objects = all.flatMap(({ system, levels = {} }) =>
    Object.keys(levels).map((name) => packagePath({ ...record, system }, name)),
  );
  return { blobs, objects };
}

/** The origins whose signatures are valid. */
async function vouching<K extends SignedKind>(
  kind: K,
  statement: Statements[K],
  signed: readonly Vouch[],
  keyOf: KeyOf,
): Promise<Pick<Checked, "problem" | "detail">> {
  const good = await Promise.all(
    signed.map(async ({ origin, signature }) => {
      const x = keyOf(origin);
      const isGood = x !== undefined && (await isSignedBy(x, kind, { statement, signature }));
      return isGood ? [origin] : [];
    }),
  );
  return verdict(signed, good.flat(), keyOf);
}

/** One valid signature is enough: AGREE applies when a record is written. */
function verdict(
  signed: readonly { readonly origin: string }[],
  good: readonly string[],
  keyOf: KeyOf,
): Pick<Checked, "problem" | "detail"> {
  if (good.length > 0) return { detail: [] };
  const origins = signed.map(({ origin }) => origin);
  const isKnown = origins.some((origin) => keyOf(origin) !== undefined);
  return { problem: isKnown ? "forged" : "unvouched", detail: origins };
}

/**
 * `packages/v<format>/<set>/<revision>/<system>/<plan>/<name>.json`, or `…/<name>~<level>.json`.
 */
const PACKAGE = new RegExp(
  "^packages/v\\d+/(?<packageSet>[^/]+)/(?<revision>[^/]+)/(?<system>[^/]+)/(?<plan>[^/]+)/" +
    "(?<name>[^/~]+)(?:~(?<level>\\d+))?\\.json$",
);

/** The package to which a record's path belongs; null when the path is not a package's. */
export function placeOfPackage(key: string) {
  const { packageSet, revision, system, plan, name, level } = PACKAGE.exec(key)?.groups ?? {};
  if (!packageSet || !revision || !system || !plan || !name) return null;
  const scope = { packageSet, revision, system: system as ImageSystem, plan };
  const number = level === undefined ? undefined : Number(level);
  const path = number === undefined ? packagePath(scope, name) : levelPath(scope, name, number);
  // A record of another format belongs to no package.
  return path === key ? { scope, name, level: number } : null;
}
type ImageSystem = Parameters<typeof packagePath>[0]["system"];
