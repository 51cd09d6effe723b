/**
 * Checks the text of one record against its path and signatures, and tells what it names. No I/O.
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

/** The public key of an origin in force. */
export type KeyOf = (origin: string) => string | undefined;

export interface Checked {
  readonly problem?: Problem;
  readonly detail: readonly string[];
  /** For people. */
  readonly what?: string;
  /** Blobs that it names. */
  readonly blobs: readonly Descriptor[];
  /** Other objects that it needs, by key. */
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

/** What is wrong with the record at `key`, as far as its text tells. */
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
    return damaged("it is no JSON");
  }
  return CHECKS[kind](key, json, keyOf);
}

/** A check of records that fit the schema; others are damaged. */
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
    if (!hasDigestsOf(key, record)) return damaged("its texts have other digests than its path");
    return { ...NOTHING, what: packagesOf(record).join("/"), ...ofImage(record) };
  }),
};

const packagesOf = ({ images }: ImageRecord): string[] => [
  ...new Set(Object.values(images).flatMap(({ levels }) => Object.keys(levels))),
];

/** The layers of origins, and the package records that its profile layer is composed from. */
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

/** Whose signatures are good. */
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

/** One good signature is enough: AGREE is kept when a record is written. */
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

/** Which package a record's path is of. Null for a path of no package. */
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
