/**
 * What is not stored of an image: config, manifests and its own layer are the same bytes again, in
 * an isolate that knows nothing, from the image's one record.
 */
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import { after, before, describe, test } from "node:test";
import type { Digest } from "../../../../edge/contract/digest.ts";
import { packagePath } from "../../../../edge/contract/keys.ts";
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from "../../../../edge/contract/media-types.ts";
import type { PackageRecord } from "../../../../edge/contract/records.ts";
import { startOwnEdge } from "../../../harness/start-edge.ts";
import { operatorBucket } from "../../../../origin/plan/operator-bucket.ts";
import { removeTree, tempDir } from "../../../harness/temp.ts";
import { s3Bucket } from "../../../../edge/store/s3.ts";
import {
  type Answer,
  digestOf,
  makePackage,
  putBase,
  putBlob,
  putPackage,
  putSmall,
  putTag,
  REVISION,
  type RequestHeaders,
  SCOPE,
  send,
} from "../../registry/support.ts";
import { bundled } from "../../../harness/bundle.ts";

const NAMES = ["curl", "git", "htop", "jq", "tmux", "tree", "vim", "wget"];

interface Manifest {
  readonly mediaType: string;
  readonly config: { readonly digest: Digest; readonly size: number };
  readonly layers: readonly { readonly digest: Digest; readonly size: number }[];
}
const parse = ({ body }: Answer): Manifest => JSON.parse(String(body)) as Manifest;

/**
 * One state on disk, under one edge after another: each is a new isolate with nothing in memory.
 */
let stateDir: string;
let edge: Awaited<ReturnType<typeof startOwnEdge>>;
const start = (env: Record<string, string> = {}) =>
  startOwnEdge({ stateDir, env, module: bundled(), site: false });
async function restart(env?: Record<string, string>): Promise<void> {
  await edge.stop();
  edge = await start(env);
}
const get = (path: string, headers?: RequestHeaders, method = "GET") =>
  send(method, `${edge.url}/v2/${path}`, headers);
async function keys(prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const key of operatorBucket(edge.s3).list(prefix)) found.push(key);
  return found;
}

before(async () => {
  stateDir = await tempDir("derived");
  edge = await start();
  const bucket = s3Bucket(edge.s3);
  await putBase(bucket);
  await putTag(bucket, "latest", REVISION);
  for (const name of NAMES) {
    const record = await makePackage(bucket, { name });
    const small = await putSmall(bucket, [`lib${name}`, "libshared"]);
    const layers = [...record.layers, small];
    const parts = [...record.parts, { key: small.key, rank: 0, small: 1_000 }];
    await putRecord({ ...record, layers, parts, levels: [parts.map((_, index) => index)] });
  }
});
after(async () => {
  await edge?.stop();
  await removeTree(stateDir);
});

const putRecord = (record: PackageRecord) =>
  s3Bucket(edge.s3).put(packagePath(SCOPE, record.name), JSON.stringify(record), {
    contentType: "application/json",
    ifAbsent: false,
  });

test("all 255 combinations of eight packages: one object each, and none a blob", async () => {
  const blobs = (await keys("blobs/")).length;
  for (let bits = 1; bits < 2 ** NAMES.length; bits++) {
    const name = NAMES.filter((_, index) => (bits >> index) % 2 === 1).join("/");
    const answer = await get(`${name}/manifests/latest`);
    assert.equal(answer.status, 200, String(answer.body));
  }
  assert.equal((await keys("images/")).length, 255);
  assert.equal((await keys("blobs/")).length, blobs);
});

test("packages whose names objects inherit: found again by an isolate that knows nothing", async () => {
  const names = ["constructor", "prototype"];
  for (const name of names) await putPackage(s3Bucket(edge.s3), { name });
  const image = names.join("/");
  const digest = String((await get(`${image}/manifests/latest`)).headers["docker-content-digest"]);
  await restart();
  const found = await get(`${image}/manifests/${digest}`);
  assert.equal(found.status, 200, String(found.body));
});

describe("in an isolate that knows nothing of the image", () => {
  const image = "curl/git";
  let manifests: Answer[];
  let blobs: Answer[];
  let digest: Digest;
  before(async () => {
    manifests = await Promise.all(
      [OCI_MANIFEST, DOCKER_MANIFEST].map((accept) => get(`${image}/manifests/latest`, { accept })),
    );
    const { config, layers } = parse(manifests[0]!);
    digest = layers.at(-1)!.digest;
    blobs = await Promise.all([digest, config.digest].map((each) => get(`${image}/blobs/${each}`)));
  });

  test("the layer holds the links and the small parts, each store path once", () => {
    const tar = gunzipSync(blobs[0]!.body).toString("latin1");
    assert.equal(tar.split("contents of libshared").length, 2);
    assert.match(tar, /contents of libcurl/);
    assert.match(tar, /contents of libgit/);
  });

  test("manifests by digest are the same bytes", async () => {
    await restart();
    for (const known of manifests) {
      const found = await get(`${image}/manifests/${known.headers["docker-content-digest"]}`);
      assert.equal(found.status, 200, String(found.body));
      assert.deepEqual(found.body, known.body);
      assert.equal(found.headers["content-type"], known.headers["content-type"]);
    }
  });

  test("layer and config are the same bytes, GET, HEAD, Range and If-None-Match", async () => {
    for (const known of blobs) {
      const path = `${image}/blobs/${digestOf(known.body)}`;
      for (const isFresh of [true, false]) {
        if (isFresh) await restart();
        const head = await get(path, {}, "HEAD");
        assert.equal(head.status, 200);
        assert.equal(Number(head.headers["content-length"]), known.body.length);
        if (isFresh) await restart();
        const part = await get(path, { range: "bytes=5-24" });
        assert.equal(part.status, 206);
        assert.deepEqual(part.body, known.body.subarray(5, 25));
        assert.equal(part.headers["content-range"], `bytes 5-24/${known.body.length}`);
        if (isFresh) await restart();
        const whole = await get(path);
        assert.equal(whole.status, 200);
        assert.deepEqual(whole.body, known.body);
        assert.equal(whole.headers["docker-content-digest"], digestOf(known.body));
        const same = await get(path, { "if-none-match": `"${digestOf(known.body)}"` });
        assert.equal(same.status, 304);
      }
      assert.equal((await get(path, { range: `bytes=${known.body.length}-` })).status, 416);
    }
  });

  test("another order of the same name finds them, another image's name does not", async () => {
    await restart();
    assert.equal((await get(`git/curl/blobs/${digest}`)).status, 200);
    const other = await get(`git/blobs/${digest}`);
    assert.equal(other.status, 404);
    assert.match(String(other.body), /BLOB_UNKNOWN/);
  });

  test("BLOBS=public redirects to layers of origins, and answers its own by itself", async () => {
    await restart({ BLOBS: "public:https://blobs.example" });
    const { layers } = parse(manifests[0]!);
    const theirs = await get(`${image}/blobs/${layers[0]!.digest}`);
    assert.equal(theirs.status, 307);
    for (const known of blobs) {
      const own = await get(`${image}/blobs/${digestOf(known.body)}`);
      assert.equal(own.status, 200);
      assert.deepEqual(own.body, known.body);
    }
  });

  test("an image of an earlier revision keeps its digests", async () => {
    await restart();
    const later = { ...SCOPE, revision: "ab".repeat(20) };
    const bucket = s3Bucket(edge.s3);
    await putBase(bucket, later);
    for (const name of ["curl", "git"]) await putPackage(bucket, { name, scope: later });
    await putTag(bucket, "latest", later.revision);
    const now = await get(`${image}/manifests/latest`);
    assert.equal(now.headers["firn-revision"], later.revision);
    await restart();
    const then = await get(`${image}/manifests/${manifests[0]!.headers["docker-content-digest"]}`);
    assert.deepEqual(then.body, manifests[0]!.body);
    assert.deepEqual((await get(`${image}/blobs/${digest}`)).body, blobs[0]!.body);
    await putTag(s3Bucket(edge.s3), "latest", REVISION);
  });

  test("a layer that would have other bytes now is not served", async () => {
    await restart();
    const bucket = s3Bucket(edge.s3);
    const record = await makePackage(bucket, { name: "git", listing: [{ name: "other" }] });
    await putRecord(record);
    const answer = await get(`${image}/blobs/${digest}`);
    assert.equal(answer.status, 404, String(answer.body));
  });
});

test("a package's record is gone: the image's layer waits for an origin, the rest not", async () => {
  const image = "jq/tmux";
  const manifest = await get(`${image}/manifests/latest`);
  assert.equal(manifest.status, 200, String(manifest.body));
  await s3Bucket(edge.s3).delete(packagePath(SCOPE, "jq"));
  await restart();
  const { config, layers } = parse(manifest);
  assert.equal((await get(`${image}/blobs/${config.digest}`)).status, 200);
  const answer = await get(`${image}/blobs/${layers.at(-1)!.digest}`);
  assert.equal(answer.status, 503, String(answer.body));
  assert.match(String(answer.body), /no origin for x86_64-linux.*building jq needs one/);
});

test("an index and its manifests by digest, of an image with zstd layers", async () => {
  await restart({ ZSTD: "on" });
  const bucket = s3Bucket(edge.s3);
  const record = await makePackage(bucket, { name: "zstd" });
  const layers = await Promise.all(
    record.layers.map(async (layer) => ({
      ...layer,
      zstd: await putBlob(bucket, new TextEncoder().encode(`zstd of ${layer.key}`)),
    })),
  );
  await putRecord({ ...record, layers });
  const index = await get("zstd/manifests/latest", { accept: OCI_INDEX });
  assert.equal(index.headers["content-type"], OCI_INDEX);
  await restart({ ZSTD: "on" });
  const again = await get(`zstd/manifests/${digestOf(index.body)}`);
  assert.deepEqual(again.body, index.body);
  const listed = JSON.parse(String(index.body)) as { manifests: { digest: Digest }[] };
  for (const { digest } of listed.manifests) {
    const manifest = await get(`zstd/manifests/${digest}`);
    assert.equal(digestOf(manifest.body), digest);
  }
});
