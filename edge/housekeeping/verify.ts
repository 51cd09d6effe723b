/**
 * Verifies the bucket: every record matches its path and is signed, and every blob that it names is
 * there, with its size. A page is as many records as one request of a Worker may read; blobs that
 * were seen since the command began are not looked up again.
 */
import pLimit from "p-limit";
import { blobPath, CURRENT } from "../contract/keys.ts";
import type { Finding, VerifyKind, VerifyPage } from "../contract/verify.ts";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import type { Bucket } from "../store/bucket.ts";
import { memory } from "../store/memory.ts";
import { hashObject, readRecordText } from "../store/read-whole.ts";
import { type Checked, checkRecord, type KeyOf } from "./check-record.ts";

export type { KeyOf } from "./check-record.ts";

/** Where the objects of each kind are. */
export const VERIFIED: Readonly<Record<VerifyKind, string>> = {
  blobs: "blobs/sha256/",
  plans: "plans/",
  layers: "layers/",
  ...CURRENT,
};
/** Most records in a page, and most other objects that it looks up. */
const PAGE = 100;
const MAX_ASKED = 700;
/** Most bytes that a page hashes: a few seconds of CPU. One blob is hashed whatever its size. */
const MAX_HASHED = 2 ** 30;

/** When an object was last seen, and its size: about 10,000 entries. */
const seen = memory<{ readonly at: number; readonly size: number }>(3 * 2 ** 20, () => 16);

export interface VerifyParts {
  readonly bucket: Bucket;
  readonly keyOf: KeyOf;
}
export interface Wanted {
  readonly kind: VerifyKind;
  readonly after: string | undefined;
  /** Objects that were seen at or after this time are there, milliseconds since 1970. */
  readonly since: number;
}

/** One page of findings. Throws BucketUnavailable. */
export async function verify(parts: VerifyParts, wanted: Wanted): Promise<VerifyPage> {
  const { bucket } = parts;
  const { kind, after } = wanted;
  const at = Date.now();
  const page = await bucket.list(VERIFIED[kind], { limit: PAGE, after });
  const keys = page.objects.map(({ key }) => key);
  const looked =
    kind === "blobs" ? await hashed(bucket, page.objects) : await records(parts, wanted, keys);
  const isLast = !page.more && looked.count === keys.length;
  const last = keys[looked.count - 1];
  return {
    at,
    found: looked.found,
    looked: looked.count,
    ...(isLast || last === undefined ? {} : { after: last }),
  };
}

interface Looked {
  readonly found: Finding[];
  /** Number of the page's objects that were processed, from its first on. */
  readonly count: number;
}

async function records(
  { bucket, keyOf }: VerifyParts,
  { kind, since }: Wanted,
  keys: readonly string[],
): Promise<Looked> {
  const limit = pLimit(BUCKET_REQUESTS);
  const checked = await Promise.all(
    keys.map((key) =>
      limit(async () => {
        const text = await readText(bucket, key);
        return text === null ? null : checkRecord(kind, key, text, keyOf);
      }),
    ),
  );
  const found: Finding[] = [];
  let asked = 0;
  for (const [at, key] of keys.entries()) {
    const record = checked[at];
    if (record == null) continue;
    const needed = needsOf(record).filter(([path]) => !isSeen(path, since)).length;
    if (asked > 0 && asked + needed > MAX_ASKED) return { found, count: at };
    asked += needed;
    found.push(...(await findingsOf(bucket, { kind, key }, record, since)));
  }
  return { found, count: keys.length };
}

/** What is wrong with one object now; empty when it does not exist. */
export async function findingsAt(
  { bucket, keyOf }: VerifyParts,
  kind: VerifyKind,
  key: string,
): Promise<Finding[]> {
  if (kind === "blobs") return (await isDamaged(bucket, key)) ? [damagedBlob(key)] : [];
  const text = await readText(bucket, key);
  if (text === null) return [];
  return findingsOf(bucket, { kind, key }, await checkRecord(kind, key, text, keyOf), Infinity);
}

/** Keys that must exist, with their sizes where known. */
const needsOf = ({ blobs, objects }: Checked): (readonly [string, number | undefined])[] => [
  ...new Map([
    ...objects.map((key) => [key, undefined] as const),
    ...blobs.map(({ digest, size }) => [blobPath(digest), size] as const),
  ]),
];

async function findingsOf(
  bucket: Bucket,
  { kind, key }: Pick<Finding, "kind" | "key">,
  checked: Checked,
  since: number,
): Promise<Finding[]> {
  const what = checked.what ?? key.slice(VERIFIED[kind].length).replace(/\.json$/, "");
  const { problem, detail } = checked;
  const own: Finding[] =
    problem === undefined ? [] : [{ kind, key, what, problem, detail: [...detail] }];
  const limit = pLimit(BUCKET_REQUESTS);
  const missing = await Promise.all(
    needsOf(checked).map(([path, size]) =>
      limit(async () => ((await isThere(bucket, path, size, since)) ? [] : [path])),
    ),
  );
  const lost = missing.flat();
  return lost.length === 0 ? own : [...own, { kind, key, what, problem: "lost", detail: lost }];
}

const isSeen = (key: string, since: number): boolean => (seen.get(key)?.at ?? -1) >= since;

async function isThere(
  bucket: Bucket,
  key: string,
  size: number | undefined,
  since: number,
): Promise<boolean> {
  let known = isSeen(key, since) ? seen.get(key) : undefined;
  if (known === undefined) {
    const at = Date.now();
    const found = await bucket.head(key);
    if (found === null) return false;
    seen.set(key, (known = { at, size: found.size }));
  }
  return size === undefined || known.size === size;
}

/** Null when it no longer exists; empty when it is too large for a record. */
export async function readText(bucket: Bucket, key: string): Promise<string | null> {
  const found = await readRecordText(bucket, key);
  return found && (found.text ?? "");
}

async function hashed(
  bucket: Bucket,
  objects: readonly { readonly key: string; readonly size: number }[],
): Promise<Looked> {
  const found: Finding[] = [];
  let bytes = 0;
  for (const [at, { key, size }] of objects.entries()) {
    if (at > 0 && bytes + size > MAX_HASHED) return { found, count: at };
    bytes += size;
    if (await isDamaged(bucket, key)) found.push(damagedBlob(key));
  }
  return { found, count: objects.length };
}

const damagedBlob = (key: string): Finding => ({
  kind: "blobs",
  key,
  what: `sha256:${key.slice(VERIFIED.blobs.length)}`,
  problem: "damaged",
  detail: [],
});

/** Whether a blob's bytes do not match its digest. */
async function isDamaged(bucket: Bucket, key: string): Promise<boolean> {
  const found = await hashObject(bucket, key);
  return found !== null && found.digest !== `sha256:${key.slice(VERIFIED.blobs.length)}`;
}
