/**
 * Garbage collection beside everything else: thousands of objects, commands that are broken off or
 * run twice, an object that loses its memory, and pulls and builds at the same time.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import pLimit from "p-limit";
import type { Digest } from "../../../edge/contract/digest.ts";
import { blobPath, packagePath } from "../../../edge/contract/keys.ts";
import { OCI_MANIFEST } from "../../../edge/contract/media-types.ts";
import { startOrigin } from "../registry/origin.ts";
import { digestOf, putBase, putBlob, SCOPE, send } from "../registry/support.ts";
import { DAY, everything, GRACE, type KeptEdge, keysOf, startKeptEdge } from "./support.ts";

let firn: KeptEdge;
before(async () => {
  firn = await startKeptEdge({ LIMIT_PACKAGES: "off", LIMIT_TOTAL_IMAGES: "off" });
});
after(() => firn?.stop());

/** More than one page of each kind: of packages 400, of blobs 900. */
const BLOBS = 950;
const PACKAGES = 410;
const text = (n: number): Uint8Array<ArrayBuffer> => new TextEncoder().encode(`blob ${n}`);

test("thousands of objects: broken off, taken up again, twice at once, memory lost", async () => {
  const { bucket } = firn.firn;
  const limit = pLimit(30);
  await Promise.all(Array.from({ length: BLOBS }, (_, n) => limit(() => putBlob(bucket, text(n)))));
  await Promise.all(
    Array.from({ length: PACKAGES }, (_, n) =>
      limit(() =>
        bucket.put(
          packagePath(SCOPE, `p${n}`),
          JSON.stringify({ ...SCOPE, name: `p${n}`, listing: { digest: digestOf(text(n)) } }),
          { contentType: "application/json", ifAbsent: true },
        ),
      ),
    ),
  );
  const before = await everything(bucket, "");
  const bytes = (prefix: string): number =>
    before.filter(({ key }) => key.startsWith(prefix)).reduce((sum, { size }) => sum + size, 0);
  await firn.pass(10 * DAY);
  // The packages are young enough, and so is what they name.
  const first = await firn.collect({ unused: 20 * DAY });
  assert.equal(first.kinds.packages?.kept.bytes, bytes("packages/"));
  assert.equal(first.kinds.blobs?.unused.objects, BLOBS - PACKAGES);
  await firn.pass(GRACE + 1);

  const terms = { unused: 20 * DAY, grace: GRACE, delete: true };
  const { client } = firn;
  const begun = await client.beginGc(terms);
  // Images, tags and so on, and the first page of the packages.
  for (let step = 0; step < 5; step += 1) await client.stepGc(begun.run);
  await firn.evict("Housekeeping", "all", "close");
  const again = await client.beginGc(terms);
  assert.equal(again.run, begun.run, "the same run goes on");
  assert.equal(again.at, "packages", "there is another page of them");
  assert.ok((again.kinds.packages?.kept.objects ?? 0) > 0, "where it was");
  await assert.rejects(
    client.beginGc({ ...terms, delete: false }),
    /409.*another run of garbage collection is under way/,
  );
  const [one, two] = await Promise.all([firn.collect(terms), firn.collect(terms)]);
  assert.deepEqual(one, two);
  assert.equal(one.run, begun.run);
  assert.equal(one.kinds.packages?.kept.bytes, bytes("packages/"), "each was counted once");
  assert.equal(one.kinds.blobs?.deleted.objects, BLOBS - PACKAGES);
  const left = new Set(await keysOf(bucket, "blobs/"));
  for (let n = 0; n < BLOBS; n += 1)
    assert.equal(left.has(blobPath(digestOf(text(n)))), n < PACKAGES, `blob ${n}`);
  const fresh = await client.beginGc(terms);
  assert.notEqual(fresh.run, begun.run, "a run that is done is done");
  await firn.collect(terms);
});

interface Manifest {
  readonly layers: readonly { readonly digest: Digest }[];
}

/** Rounds of pulls, builds and collection; each is a day. */
const ROUNDS = 8;
const NAMES = ["a", "b", "c", "d", "e", "f"];

test("pulls and builds at the same time: no manifest names a blob that is missing", async () => {
  const { bucket, url } = firn.firn;
  const terms = { unused: DAY, grace: GRACE };
  await firn.collect(terms);
  await putBase(bucket);
  let deleted = 0;
  let pulled = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const origin = await startOrigin(firn.firn);
    const names = NAMES.flatMap((name, at) => [
      ...((round + at) % 3 === 0 ? [name] : []),
      ...((round + at) % 4 === 0 ? [`${name}/${NAMES[(at + round) % NAMES.length]}`] : []),
      ...(at === round % NAMES.length ? [`${name}/only-${round}`] : []),
    ]);
    const pull = async (name: string): Promise<void> => {
      const answer = await send("GET", `${url}/v2/${name}/manifests/latest`, {
        Accept: OCI_MANIFEST,
      });
      assert.equal(answer.status, 200, String(answer.body));
      const { layers } = JSON.parse(String(answer.body)) as Manifest;
      for (const { digest } of layers) {
        const blob = await send("GET", `${url}/v2/${name}/blobs/${digest}`);
        assert.equal(blob.status, 200, `${name} ${digest}: ${String(blob.body)}`);
        assert.equal(digestOf(blob.body), digest);
      }
      pulled += 1;
    };
    // Pulls while images are deleted, and pulls while packages and blobs are.
    const half = Math.ceil(names.length / 2);
    const [{ waitMs }] = await Promise.all([
      firn.collectSome(terms),
      ...names.slice(0, half).map(pull),
    ]);
    await origin.stop();
    await firn.advance(waitMs);
    const other = await startOrigin(firn.firn);
    const [progress] = await Promise.all([firn.collectSome(terms), ...names.slice(half).map(pull)]);
    assert.ok(progress.done);
    deleted += progress.kinds.blobs?.deleted.objects ?? 0;
    await other.stop();
    const blobs = new Set(await keysOf(bucket, "blobs/"));
    for (const { key } of await everything(bucket, "images/")) {
      const object = await bucket.get(key);
      const record = await new Response(object?.body).text();
      const { images } = JSON.parse(record) as { images: Record<string, Manifest> };
      // The last is the profile layer, which is in no bucket.
      for (const { digest } of Object.values(images).flatMap(({ layers }) => layers.slice(0, -1)))
        assert.ok(blobs.has(blobPath(digest)), `round ${round}: ${key} names ${digest}`);
    }
    await firn.pass(DAY);
  }
  assert.ok(deleted > 0, "something was deleted meanwhile");
  assert.ok(pulled > ROUNDS);
});
