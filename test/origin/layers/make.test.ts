import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { pino } from "pino";
import { join } from "node:path";
import { blobPath, layerPath } from "../../../edge/contract/keys.ts";
import { openLayerStore, type LayerStore } from "../../../origin/layers/index.ts";
import { type LocalBucket, startBucket } from "./local-bucket.ts";
import { LocalStore, noise, partOf, prose } from "./local-store.ts";

let bucket: LocalBucket;
let store: LocalStore;
const opened: LayerStore[] = [];

before(async () => {
  bucket = await startBucket();
  store = new LocalStore();
});
after(async () => {
  await Promise.all(opened.map((layers) => layers.close()));
  await bucket.stop();
  store.remove();
});

function open(cache: string, more: Partial<Parameters<typeof openLayerStore>[0]> = {}): LayerStore {
  const layers = openLayerStore({
    s3: bucket.access,
    cacheDir: join(store.scratch, cache),
    cacheBytes: 2 ** 30,
    root: store.root,
    logger: pino({ level: "silent" }),
    ...more,
  });
  opened.push(layers);
  return layers;
}

const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const never = new AbortController().signal;

test("a layer is its store paths' tar, by gzip and by zstd, under its digests", async () => {
  const big = store.add("big", {
    "lib/data": prose(9_000_000),
    "lib/noise": noise(1_500_000),
    "bin/tool": { run: "#!/bin/sh\n" },
    "bin/alias": { same: "bin/tool" },
    "share/empty": { directory: true },
  });
  const small = store.add("small", {
    "a-b": "1",
    "a/b": "2",
    "a.b": "3",
    link: { link: `${big.path}/lib` },
  });
  const file = store.add("file.txt", "just a file\n");
  const layers = open("plain");
  const part = await partOf(big, small, file);
  const [layer] = await layers.make([part], { signal: never, zstd: true });
  assert.ok(layer?.zstd);

  const gzip = await bucket.bytes(blobPath(layer.digest));
  assert.equal(gzip.length, layer.size);
  assert.equal(sha256(gzip), layer.digest);
  const tar = gunzipSync(gzip);
  assert.equal(sha256(tar), layer.diffId);
  const frames = await bucket.bytes(blobPath(layer.zstd.digest));
  assert.equal(sha256(frames), layer.zstd.digest);
  assert.equal(frames.length, layer.zstd.size);
  assert.deepEqual(execFileSync("zstd", ["-dc"], { input: frames, maxBuffer: 2 ** 26 }), tar);
  assert.ok(zstdDecompressSync(frames).length > 0);
  assert.deepEqual(execFileSync("gzip", ["-dc"], { input: gzip, maxBuffer: 2 ** 26 }), tar);

  const names = execFileSync("tar", ["-tf", "-"], { input: tar, encoding: "utf8" })
    .trimEnd()
    .split("\n");
  assert.deepEqual(names, [...names].sort(), "entries in byte order");
  assert.equal(new Set(names).size, names.length);
  const directory = join(store.scratch, "unpacked");
  execFileSync("sh", ["-c", 'mkdir -p "$1" && tar -xf - -C "$1"', "sh", directory], {
    input: gzip.length > 0 ? tar : tar,
  });
  for (const { path } of [big, small, file])
    execFileSync("diff", ["-r", "--no-dereference", join(store.root, path), join(directory, path)]);
  const listing = execFileSync("tar", ["-tvf", "-"], { input: tar, encoding: "utf8" });
  assert.match(
    listing,
    /hr-xr-xr-x 0\/0 .* nix\/store\/\S+-big\/bin\/tool link to nix\/store\/\S+-big\/bin\/alias/,
  );
  execFileSync("chmod", ["-R", "u+w", directory]);

  assert.deepEqual(JSON.parse((await bucket.bytes(layerPath(part.key))).toString()), {
    key: part.key,
    digest: layer.digest,
    size: layer.size,
    diffId: layer.diffId,
  });
});

test("another origin with its own cache and any number of threads makes the same bytes", async () => {
  const paths = [
    store.add("same-1", { data: prose(5_000_000, 3) }),
    store.add("same-2", { data: noise(100_000, "b"), text: prose(700_000, 4) }),
  ];
  const part = await partOf(...paths);
  const results: unknown[] = [];
  for (const concurrency of [1, 2, 5]) {
    const layers = open(`threads-${concurrency}`, { concurrency, packMemory: 2 ** 30 });
    results.push(await layers.make([part], { signal: never, zstd: true }));
    await bucket.delete(layerPath(part.key));
    await bucket.delete(layerPath(`${part.key}.zstd`));
  }
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
});
