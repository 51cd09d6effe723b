/**
 * Garbage collection against the real Worker and a real bucket: what stays, what goes, and when.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import pLimit from "p-limit";
import type { Digest } from "../../../edge/contract/digest.ts";
import { demandPath } from "../../../edge/contract/demand.ts";
import { blobPath, levelPath, packagePath } from "../../../edge/contract/keys.ts";
import { LISTING, OCI_MANIFEST } from "../../../edge/contract/media-types.ts";
import { until } from "../../harness/until.ts";
import { startOrigin } from "../registry/origin.ts";
import {
  type Answer,
  digestOf,
  imagesOf,
  putBase,
  putBlob,
  putLevel,
  putPackage,
  SCOPE,
  send,
} from "../registry/support.ts";
import { DAY, everything, GRACE, type KeptEdge, keysOf, startKeptEdge } from "./support.ts";

let firn: KeptEdge;
before(async () => {
  firn = await startKeptEdge();
});
after(() => firn?.stop());

const bucket = () => firn.firn.bucket;
const ask = (method: string, name: string, reference = "latest"): Promise<Answer> =>
  send(method, `${firn.firn.url}/v2/${name}/manifests/${reference}`, { Accept: OCI_MANIFEST });
const isThere = async (key: string): Promise<boolean> => (await bucket().head(key)) !== null;
const recorded = (): Promise<void> => firn.recorded();

interface Manifest {
  readonly config: { readonly digest: Digest };
  readonly layers: readonly { readonly digest: Digest }[];
}

/** Pulls an image as a client does; every byte is there. Returns the manifest's digest. */
async function pullWhole(name: string, reference = "latest"): Promise<Digest> {
  const manifest = await ask("GET", name, reference);
  assert.equal(manifest.status, 200, String(manifest.body));
  const { config, layers } = JSON.parse(String(manifest.body)) as Manifest;
  for (const { digest } of [config, ...layers]) {
    const blob = await send("GET", `${firn.firn.url}/v2/${name}/blobs/${digest}`);
    assert.equal(blob.status, 200, String(blob.body));
    assert.equal(digestOf(blob.body), digest);
  }
  return digestOf(manifest.body);
}

const CURL = [["libc", "curl"], ["libc-curl"]];

describe("an image that nobody pulls", { concurrency: 1 }, () => {
  let curl: Digest;
  test("is kept while it is young, and so is everything", async () => {
    await putPackage(bucket(), { name: "git" });
    await putPackage(bucket(), { name: "curl", levels: CURL });
    await putLevel(bucket(), "curl", 1, ["libc-curl"]);
    await pullWhole("git");
    curl = await pullWhole("curl");
    await recorded();
    const before = await keysOf(bucket(), "");
    const { kinds } = await firn.collect();
    for (const { unused, deleted } of Object.values(kinds))
      assert.deepEqual([unused.objects, deleted.objects], [0, 0]);
    assert.deepEqual(await keysOf(bucket(), ""), before);
  });

  test("is unused after the period; HEAD of the tag alone keeps another one", async () => {
    await firn.pass(50 * DAY);
    assert.equal((await ask("HEAD", "git")).status, 200);
    await recorded();
    await firn.pass(50 * DAY);
    const before = await keysOf(bucket(), "");
    const dry = await firn.collect({ delete: false });
    assert.equal(dry.kinds.images?.unused.objects, 1, "curl");
    assert.equal(dry.kinds.images?.kept.objects, 1, "git");
    // curl and its further level.
    assert.equal(dry.kinds.packages?.unused.objects, 2);
    const [image] = await everything(bucket(), "images/");
    assert.ok(image && image.size > 0);
    assert.deepEqual(await keysOf(bucket(), ""), before);
  });

  test("is condemned first, with all that only it needs, and nothing is deleted", async () => {
    const before = await keysOf(bucket(), "");
    const { kinds } = await firn.collect();
    assert.ok((kinds.blobs?.unused.objects ?? 0) > 0);
    assert.deepEqual(await keysOf(bucket(), ""), before);
    await firn.collect();
    assert.deepEqual(await keysOf(bucket(), ""), before, "not before the grace is over");
  });

  test("is deleted after the grace, and what others need stays", async () => {
    await firn.pass(GRACE + 1);
    const { kinds } = await firn.collect();
    assert.equal(kinds.images?.deleted.objects, 1);
    assert.equal(kinds.packages?.deleted.objects, 2);
    assert.ok((kinds.blobs?.deleted.bytes ?? 0) > 0);
    assert.equal((await imagesOf(bucket(), "curl")).length, 0);
    assert.equal(await isThere(packagePath(SCOPE, "curl")), false);
    assert.equal(await isThere(levelPath(SCOPE, "curl", 1)), false);
    await pullWhole("git");
    const { kinds: again } = await firn.collect();
    assert.equal(again.blobs?.unused.objects, 0, "nothing is left of it");
  });

  test("and is made again to the same digest", async () => {
    const origin = await startOrigin(firn.firn, { stock: { curl: { levels: CURL } } });
    assert.equal(await pullWhole("curl"), curl);
    await origin.stop();
  });
});

describe("what saves it", { concurrency: 1 }, () => {
  const unused = { unused: DAY };
  /** Unused, and condemned for long enough to be deleted by the next run. */
  async function doomed(name: string): Promise<Digest> {
    await putBase(bucket());
    await putPackage(bucket(), { name });
    const digest = await pullWhole(name);
    await recorded();
    await firn.pass(3 * DAY);
    await firn.collect(unused);
    await firn.pass(GRACE + 1);
    return digest;
  }

  test("a pull after it was condemned", async () => {
    const digest = await doomed("pulled");
    assert.equal((await ask("HEAD", "pulled", digest)).status, 200);
    await recorded();
    await firn.collect(unused);
    assert.equal(await pullWhole("pulled", digest), digest);
    await recorded();
    await firn.pass(3 * DAY);
    await firn.collect(unused);
    assert.equal((await imagesOf(bucket(), "pulled")).length, 1, "its grace begins anew");
  });

  test("a pin, until it is taken back", async () => {
    const digest = await doomed("pinned");
    await assert.rejects(firn.client.pin("other", digest, true), /404/);
    await firn.client.pin("pinned", digest, true);
    assert.deepEqual((await firn.client.pins()).pins, [{ name: "pinned", digest }]);
    await firn.collect(unused);
    assert.equal((await imagesOf(bucket(), "pinned")).length, 1);
    await firn.client.pin("pinned", digest, false);
    await firn.collect(unused);
    await firn.pass(GRACE + 1);
    await firn.collect(unused);
    assert.equal((await imagesOf(bucket(), "pinned")).length, 0);
  });

  test("more pins than one page lists: all are listed", async () => {
    const image = { name: "many", digest: `sha256:${"0".repeat(64)}` };
    const keys = Array.from({ length: 901 }, (_, n) => `pins/many/${n}.json`);
    const text = JSON.stringify(image);
    const how = { contentType: "application/json", ifAbsent: true };
    const some = pLimit(32);
    await Promise.all(keys.map((key) => some(() => bucket().put(key, text, how))));
    assert.deepEqual(
      (await firn.client.pins()).pins,
      keys.map(() => image),
    );
    await Promise.all(keys.map((key) => some(() => bucket().delete(key))));
    assert.deepEqual((await firn.client.pins()).pins, []);
  });

  test("another image of the same package: the package stays, and so do its blobs", async () => {
    const digest = await doomed("shared");
    await putPackage(bucket(), { name: "beside" });
    // When images have been looked at, and packages not yet.
    const { waitMs } = await firn.collectSome(unused);
    assert.equal((await imagesOf(bucket(), "shared")).length, 0);
    await pullWhole("shared/beside");
    await firn.advance(waitMs);
    await firn.collectSome(unused);
    await pullWhole("shared/beside");
    // No origin is connected: it is composed of what is there.
    assert.equal(await pullWhole("shared"), digest);
  });

  test("a pull of an image from some memory, while it is being deleted", async () => {
    const digest = await doomed("remembered");
    // Nobody has told of this pull yet when the image is deleted.
    assert.equal((await ask("GET", "remembered", digest)).status, 200);
    const { waitMs } = await firn.collectSome(unused);
    assert.equal((await imagesOf(firn.firn.bucket, "remembered")).length, 0, "it is deleted");
    await until("the image's record is there again", async () =>
      (await imagesOf(firn.firn.bucket, "remembered")).length > 0 ? true : undefined,
    );
    await firn.advance(waitMs);
    await firn.collectSome(unused);
    assert.equal(await pullWhole("remembered", digest), digest);
  });

  test("an upload of the same blob again, while it is being deleted: it is uploaded anew", async () => {
    await doomed("published");
    const { waitMs } = await firn.collectSome(unused);
    await firn.advance(waitMs);
    // Packages and blobs are deleted now.
    const origin = await startOrigin(firn.firn);
    const [{ done }] = await Promise.all([
      firn.collectSome(unused),
      ask("GET", "published/fresh"),
      ask("GET", "published"),
    ]);
    assert.ok(done);
    await pullWhole("published/fresh");
    await pullWhole("published");
    await origin.stop();
  });

  test("a job that was told that the bucket has it: it stays until the job is done", async () => {
    // Nothing else is left to be deleted.
    await firn.collect();
    await firn.pass(GRACE + 1);
    await firn.collect();
    const blob = await putBlob(bucket(), new TextEncoder().encode("of a job that was broken off"));
    await firn.collect();
    await firn.pass(GRACE + 1);
    const done = Promise.withResolvers<boolean>();
    const origin = await startOrigin(firn.firn, {
      gate: async (items, { requests, signal }) => {
        if (items[0]?.kind !== "package") return;
        const [grant] = await requests.uploads([{ ...blob, contentType: LISTING }], signal);
        await firn.collectSome();
        done.resolve(grant?.kind === "present" && (await isThere(blobPath(blob.digest))));
      },
    });
    const answer = ask("GET", "reuses");
    assert.equal(await done.promise, true);
    assert.equal((await answer).status, 200);
    await origin.stop();
  });
});

describe("an image of which a blob is deleted", () => {
  test("stays deleted, whoever pulls it then: nothing names what is not there", async () => {
    const unused = { unused: DAY, grace: GRACE, delete: true };
    await putBase(bucket());
    await putPackage(bucket(), { name: "late" });
    const digest = await pullWhole("late");
    await recorded();
    await firn.pass(3 * DAY);
    await firn.collect(unused);
    await firn.pass(GRACE + 1);
    const { waitMs } = await firn.collectSome(unused);
    assert.equal((await imagesOf(bucket(), "late")).length, 0);
    await firn.advance(waitMs);
    // Until the blobs are deleted too; the run remembers the image still.
    let progress = await firn.client.beginGc(unused);
    while (progress.at !== "nars") progress = await firn.client.stepGc(progress.run);
    assert.equal(progress.done, false);
    assert.ok((progress.kinds.blobs?.deleted.objects ?? 0) > 0);
    assert.equal((await ask("GET", "late", digest)).status, 404);
    assert.deepEqual(await imagesOf(bucket(), "late"), []);
    await firn.collectSome(unused);
  });
});

test("an upload without a record goes after the grace, counts of pulls after the period", async () => {
  const { digest } = await putBlob(bucket(), new TextEncoder().encode("never referred to"));
  const counts = demandPath("starter", "2026-01-01", "some");
  await bucket().put(counts, '{"pulls":1,"packages":{}}', {
    contentType: "application/json",
    ifAbsent: true,
  });
  // The Worker's clock is far ahead: both are old, and neither has been condemned.
  await firn.collect();
  assert.ok(await isThere(blobPath(digest)));
  await firn.pass(GRACE + 1);
  await firn.collect();
  assert.equal(await isThere(blobPath(digest)), false);
  assert.equal(await isThere(counts), false);
});

test("tags, revisions and the plan in force stay", async () => {
  assert.ok((await keysOf(bucket(), "tags/")).length > 0);
  assert.ok((await keysOf(bucket(), "revisions/")).length > 0);
});
