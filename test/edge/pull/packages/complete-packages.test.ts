/**
 * A bucket that has lost something: the next pull has it made again, by a real farm and a connected
 * origin, and is whole. Every package has a name of its own: the isolate remembers what it has
 * seen.
 */
import assert from "node:assert/strict";
import pLimit from "p-limit";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { Digest } from "../../../../edge/contract/digest.ts";
import {
  blobPath,
  imageNameKey,
  imagesPrefix,
  layerPath,
  packagePath,
} from "../../../../edge/contract/keys.ts";
import { parseImageName } from "../../../../edge/contract/names.ts";
import type { PackageRecord } from "../../../../edge/contract/records.ts";
import { until } from "../../../harness/until.ts";
import { type Stock, startOrigin, type TestOrigin } from "../../registry/origin.ts";
import {
  type Answer,
  digestOf,
  errorsOf,
  imagesOf,
  makePackage,
  putBase,
  putPackage,
  putSmall,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../../registry/support.ts";

let firn: TestEdge;
let origin: TestOrigin | undefined;
/** Each test changes what the origin makes of its own packages. */
const stock: Record<string, Stock[string]> = {};
before(async () => {
  firn = await startTestEdge();
  await putBase(firn.bucket);
  await putTag(firn.bucket, "latest", REVISION);
});
after(() => firn?.stop());
afterEach(async () => {
  await origin?.stop();
  origin = undefined;
});

const get = (path: string): Promise<Answer> => send("GET", `${firn.url}/v2/${path}`);
const timesMade = (wanted: string): number =>
  (origin?.jobs ?? []).flat().filter((item) => item.kind === "package" && item.name === wanted)
    .length;
const lose = (digest: Digest): Promise<void> => firn.bucket.delete(blobPath(digest));
const isThere = async (digest: Digest): Promise<boolean> =>
  (await firn.bucket.head(blobPath(digest))) !== null;
const ownLayer = ({ layers }: PackageRecord): Digest => {
  const layer = layers.at(-1);
  assert.ok(layer);
  return layer.digest;
};

interface Manifest {
  readonly config: { readonly digest: Digest };
  readonly layers: readonly { readonly digest: Digest }[];
}

/** Pulls an image as a client does, and checks every byte; returns the manifest's digest. */
async function pullWhole(name: string): Promise<{ digest: Digest; layers: Digest[] }> {
  const manifest = await get(`${name}/manifests/latest`);
  assert.equal(manifest.status, 200, String(manifest.body));
  const { config, layers } = JSON.parse(String(manifest.body)) as Manifest;
  for (const { digest } of [config, ...layers]) {
    const blob = await get(`${name}/blobs/${digest}`);
    assert.equal(blob.status, 200, String(blob.body));
    assert.equal(digestOf(blob.body), digest);
  }
  return { digest: digestOf(manifest.body), layers: layers.map(({ digest }) => digest) };
}

describe("with an origin", () => {
  beforeEach(async () => {
    origin = await startOrigin(firn, { stock });
  });

  test("a layer that a new image needs is made again, once, to the same digest", async () => {
    const record = await putPackage(firn.bucket, { name: "layer" });
    await lose(ownLayer(record));
    const pulls = await Promise.all(Array.from({ length: 8 }, () => get("layer/manifests/latest")));
    assert.deepEqual(new Set(pulls.map(({ status }) => status)), new Set([200]));
    const { layers } = await pullWhole("layer");
    assert.ok(layers.includes(ownLayer(record)));
    assert.equal(timesMade("layer"), 1);
    await pullWhole("layer");
    assert.equal(timesMade("layer"), 1, "nothing is made again that is there");
  });

  test("a layer that a known image names is made again when it is asked for", async () => {
    const first = await pullWhole("known");
    const [layer] = (await makePackage(firn.bucket, { name: "known" })).layers.slice(-1);
    assert.ok(layer);
    await lose(layer.digest);
    assert.deepEqual(await pullWhole("known"), first);
    assert.equal(timesMade("known"), 2);
    assert.ok(await isThere(layer.digest));
  });

  test("other bytes: pinned digests are told honestly, and a pull by tag is whole", async () => {
    const first = await pullWhole("repacked");
    const record = await makePackage(firn.bucket, { name: "repacked" });
    await lose(ownLayer(record));
    stock["repacked"] = { compression: 1 };
    const gone = await get(`repacked/blobs/${ownLayer(record)}`);
    assert.equal(gone.status, 404, String(gone.body));
    assert.match(errorsOf(gone)[0]?.message ?? "", /made again with other bytes.*by its tag/);
    assert.equal((await imagesOf(firn.bucket, "repacked")).length, 0);
    // The answer with the old manifest is remembered for a second.
    const now = await until("another manifest of the tag", async () => {
      const pulled = await pullWhole("repacked").catch(() => undefined);
      return pulled?.digest === first.digest ? undefined : pulled;
    });
    assert.ok(!now.layers.includes(ownLayer(record)));
    assert.equal(timesMade("repacked"), 2);
  });

  test("listings, lost or damaged, are made again", async () => {
    const lost = await putPackage(firn.bucket, { name: "unlisted" });
    await lose(lost.listing.digest);
    const damaged = await putPackage(firn.bucket, { name: "scribbled" });
    const { digest, size } = damaged.listing;
    // A listing still, of the same length, with another file in it.
    const object = await firn.bucket.get(blobPath(digest));
    const text = await new Response(object?.body).text();
    await firn.bucket.put(blobPath(digest), text.replaceAll("scribbled", "scribbler"), {
      contentType: "application/octet-stream",
      ifAbsent: false,
    });
    await pullWhole("unlisted");
    await pullWhole("scribbled");
    assert.ok(await isThere(lost.listing.digest));
    const repaired = await firn.bucket.get(blobPath(digest));
    const bytes = new Uint8Array(await new Response(repaired?.body).arrayBuffer());
    assert.equal(bytes.length, size);
    assert.equal(digestOf(bytes), digest);
    assert.deepEqual([timesMade("unlisted"), timesMade("scribbled")], [1, 1]);
    await firn.logged("blob.damaged");
  });

  test("a closure that is lost is made again with whatever else is", async () => {
    const record = await putPackage(firn.bucket, { name: "closed" });
    await lose(record.closure.digest);
    await pullWhole("closed");
    assert.equal(timesMade("closed"), 0, "no image needs it");
    const another = await putPackage(firn.bucket, { name: "another" });
    await lose(another.closure.digest);
    await lose(another.listing.digest);
    await pullWhole("another");
    assert.ok(await isThere(another.closure.digest));
  });

  test("a small part that is lost is made again", async () => {
    const record = await makePackage(firn.bucket, { name: "small" });
    const small = await putSmall(firn.bucket, ["libsmall"]);
    const layers = [...record.layers, small];
    const parts = [...record.parts, { key: small.key, rank: 0, small: 1_000 }];
    const levels = [parts.map((_, index) => index)];
    await firn.bucket.put(
      packagePath(SCOPE, "small"),
      JSON.stringify({ ...record, layers, parts, levels }),
      { contentType: "application/json", ifAbsent: false },
    );
    await lose(small.digest);
    // The origin's package has no small part: its record takes the place of the one that has.
    await pullWhole("small");
    assert.equal(timesMade("small"), 1);
  });

  test("layer records and package records that are lost are made again", async () => {
    const record = await putPackage(firn.bucket, { name: "unrecorded" });
    for (const { key } of record.layers) await firn.bucket.delete(layerPath(key));
    await firn.bucket.delete(packagePath(SCOPE, "unrecorded"));
    const { layers } = await pullWhole("unrecorded");
    assert.ok(layers.includes(ownLayer(record)));
    for (const { key } of record.layers)
      assert.notEqual(await firn.bucket.head(layerPath(key)), null);
  });

  test("an image that never named the digest makes nothing", async () => {
    const { layers } = await pullWhole("mine");
    await pullWhole("theirs");
    const record = await makePackage(firn.bucket, { name: "theirs" });
    assert.ok(!layers.includes(ownLayer(record)));
    await lose(ownLayer(record));
    const answer = await get(`mine/blobs/${ownLayer(record)}`);
    assert.equal(answer.status, 404);
    assert.equal(timesMade("theirs"), 1);
  });
});

function isUnavailable(answer: Answer, name: string): void {
  assert.equal(answer.status, 503, String(answer.body));
  assert.ok(Number(answer.headers["retry-after"]) > 0);
  const [error] = errorsOf(answer);
  assert.equal(error?.code, "UNAVAILABLE");
  assert.match(
    error?.message ?? "",
    new RegExp(`no origin for x86_64-linux.*storage has lost of ${name}`),
  );
}

describe("without an origin", () => {
  test("a lost listing: 503 in words for a person, and no image is stored", async () => {
    const { listing } = await putPackage(firn.bucket, { name: "nolisting" });
    await lose(listing.digest);
    isUnavailable(await get("nolisting/manifests/latest"), "nolisting");
    assert.equal((await imagesOf(firn.bucket, "nolisting")).length, 0);
  });

  test("a lost layer: whoever asks for it gets 503 in words for a person", async () => {
    const layer = ownLayer(await putPackage(firn.bucket, { name: "nolayer" }));
    await lose(layer);
    assert.equal((await get("nolayer/manifests/latest")).status, 200);
    isUnavailable(await get(`nolayer/blobs/${layer}`), "nolayer");
  });

  test("a lost layer of an image whose name has more records than one listing tells of", async () => {
    const layer = ownLayer(await putPackage(firn.bucket, { name: "often" }));
    const { names, shell } = parseImageName("often");
    const prefix = imagesPrefix(await imageNameKey(SCOPE.packageSet, names, shell));
    // Older than the image, and before it in the listing.
    const others = Array.from({ length: 1_000 }, (_, n) => `${prefix}-${n}`);
    const options = { contentType: "application/json", ifAbsent: false };
    const limit = pLimit(20);
    await Promise.all(others.map((key) => limit(() => firn.bucket.put(key, "{}", options))));
    assert.equal((await get("often/manifests/latest")).status, 200);
    await lose(layer);
    isUnavailable(await get(`often/blobs/${layer}`), "often");
  });
});
