/**
 * Finds the records that rest on an origin: those that it signed or reported, and those made from
 * them. The bucket is read page by page, so that one request stays within a Worker's limits:
 *
 *   kind      where                    rests on
 *   layers    layers/                  who signed the layer
 *   packages  packages/v<format>/      who signed the package, and the layers that it names
 *   indexes   index/v<format>/         who listed the names
 *   images    images/v<format>/        all that its packages rest on; every origin, if it says that a
 *                                      package does not exist for a platform: failures do not say
 *                                      who reported them
 *   tags      tags/                    who resolved the tag last
 *   revisions revisions/               who said that the revision belongs to the set
 *   plans     plans/                   who made the layer plan: shown, and never withdrawn
 *
 * With `since`, only records written at or after that time are read: a record cannot name a younger
 * layer.
 */
import pLimit from "p-limit";
import { byName } from "../contract/by-name.ts";
import type { OriginRecordKind, OriginRecordsPage, OriginRecord } from "../contract/operator.ts";
import { CURRENT } from "../contract/keys.ts";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import type { Bucket, ListedObject } from "../store/bucket.ts";
import { readRecordText } from "../store/read-whole.ts";
import { withdrawRecord } from "../store/records.ts";
import * as v from "valibot";

const PREFIXES: Readonly<Record<OriginRecordKind, string>> = {
  ...CURRENT,
  tags: "tags/",
  revisions: "revisions/",
  layers: "layers/",
  plans: "plans/",
};

export interface Page {
  readonly kind: OriginRecordKind;
  readonly origin: string;
  /** Only records written at or after this time, milliseconds since 1970. */
  readonly since: number;
  /** The last key of the previous page. */
  readonly after: string | undefined;
  /** Most records that are read. */
  readonly limit: number;
}

/** One page of the records that rest on the origin. */
export async function findOriginRecords(
  bucket: Bucket,
  { kind, origin, since, after, limit }: Page,
): Promise<OriginRecordsPage> {
  const page = await bucket.list(PREFIXES[kind], { after, limit });
  const young = page.objects.filter(({ writtenAt }) => writtenAt >= since);
  const atOnce = pLimit(BUCKET_REQUESTS);
  const looked = await Promise.all(
    young.map((object) => atOnce(() => recordOf(bucket, kind, origin, object))),
  );
  const found = looked.filter((record) => record !== undefined);
  const last = page.more ? page.objects.at(-1)?.key : undefined;
  return { found, looked: page.objects.length, ...(last === undefined ? {} : { after: last }) };
}

/** What became of a withdrawal. */
export interface Withdrawal {
  /** The keys of the records that are deleted. */
  readonly keys: readonly string[];
  /** Why others are not; undefined when all are. */
  readonly failure: unknown;
}

/**
 * Deletes the records that were found, but no plan. An image's manifests are derived from its
 * record, so they go with it.
 */
export async function withdraw(
  bucket: Bucket,
  kind: OriginRecordKind,
  records: readonly OriginRecord[],
): Promise<Withdrawal> {
  if (kind === "plans") return { keys: [], failure: undefined };
  const atOnce = pLimit(BUCKET_REQUESTS);
  const ends = await Promise.allSettled(
    records.map(({ key }) => atOnce(() => withdrawRecord(bucket, key))),
  );
  return {
    keys: records.map(({ key }) => key).filter((_, at) => ends[at]?.status === "fulfilled"),
    failure: ends.find((end) => end.status === "rejected")?.reason,
  };
}

/** The origins that a record names; older and damaged records name none. */
const RestsSchema = v.object({
  origins: v.optional(v.array(v.string()), []),
  signed: v.optional(v.array(v.object({ origin: v.string() })), []),
  origin: v.optional(v.string()),
  by: v.optional(v.string()),
  images: v.optional(v.record(v.string(), v.object({ levels: byName(v.string(), v.number()) }))),
  without: v.optional(v.record(v.string(), v.unknown()), {}),
});

async function recordOf(
  bucket: Bucket,
  kind: OriginRecordKind,
  origin: string,
  { key, writtenAt }: ListedObject,
): Promise<OriginRecord | undefined> {
  const json = await readJson(bucket, key);
  const record = v.safeParse(RestsSchema, json);
  if (!record.success) return undefined;
  const { origins, signed, origin: said, by, images = {}, without } = record.output;
  const all = [...origins, ...signed.map(({ origin }) => origin), said ?? [], by ?? []].flat();
  const isVerdict = Object.keys(without).length > 0;
  if (!all.includes(origin) && !isVerdict) return undefined;
  const [image] = Object.values(images);
  const what =
    kind === "images" && image !== undefined
      ? Object.keys(image.levels).join("/")
      : key.slice(PREFIXES[kind].length).replace(/\.json$/, "");
  const isOwn = [...signed.map(({ origin }) => origin), said, by].includes(origin);
  return { kind, key, what, writtenAt, own: isOwn, origins: [...new Set(all)].sort() };
}

/** Undefined for what is no JSON, and so no record of any origin. */
async function readJson(bucket: Bucket, key: string): Promise<unknown> {
  const found = await readRecordText(bucket, key);
  try {
    return JSON.parse(found?.text ?? "");
  } catch {
    return undefined;
  }
}
