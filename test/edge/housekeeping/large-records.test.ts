/** Garbage collection of records that name very much, as those of the largest packages do. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pLimit from "p-limit";
import type { Digest } from "../../../edge/contract/digest.ts";
import { blobPath, packagePath } from "../../../edge/contract/keys.ts";
import { listsOf } from "../../../edge/housekeeping/key-lists.ts";
import { digestOf, putBlob, SCOPE } from "../registry/support.ts";
import { DAY, GRACE, type KeptEdge, keysOf, startKeptEdge } from "./support.ts";

let firn: KeptEdge;
before(async () => {
  firn = await startKeptEdge();
});
after(() => firn?.stop());

/** Together 13 MB of JSON, more than one step reads. */
const RECORDS = 20;
const LAYERS = 100;
const LONG = "x".repeat(600_000);
const hex = (record: number, layer: number): string =>
  digestOf(`${record} ${layer}`).slice("sha256:".length);

test("keys are given to SQLite in lists that it takes, in their order", () => {
  // A text in a Durable Object has at most 2 MB; the longest keys are those of packages.
  const keys = Array.from({ length: 5_001 }, (_, n) => `${n} ${"x".repeat(500)}`);
  const lists = listsOf(keys);
  for (const list of lists) assert.ok(list.length < 2_000_000, `${list.length} characters`);
  assert.deepEqual(
    lists.flatMap((list) => JSON.parse(list) as string[]),
    keys,
  );
  assert.deepEqual(listsOf([]), []);
});

test("a page of large records is looked at in parts; what they name stays", async () => {
  const { bucket } = firn.firn;
  const text = new TextEncoder().encode("named by the last record");
  const last: Digest = digestOf(text);
  await putBlob(bucket, text);
  const limit = pLimit(20);
  await Promise.all(
    Array.from({ length: RECORDS }, (_, n) =>
      limit(() => {
        const layers = Array.from({ length: LAYERS }, (_, at) => ({
          key: hex(n, at),
          digest: n === RECORDS - 1 && at === 0 ? last : `sha256:${hex(n, at)}`,
          diffId: `sha256:${hex(n, -at)}`,
        }));
        const record = { ...SCOPE, name: `p${n}`, layers, listingText: LONG };
        return bucket.put(
          packagePath(SCOPE, `p${String(n).padStart(3, "0")}`),
          JSON.stringify(record),
          {
            contentType: "application/json",
            ifAbsent: true,
          },
        );
      }),
    ),
  );
  await firn.pass(10 * DAY);
  const terms = { unused: 20 * DAY };
  await firn.collect(terms);
  await firn.pass(GRACE + 1);
  const { kinds } = await firn.collect(terms);
  // And those of the base.
  assert.equal(kinds.packages?.kept.objects, RECORDS + 2);
  assert.ok((await keysOf(bucket, "blobs/")).includes(blobPath(last)));
});
