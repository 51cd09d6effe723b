import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { after, before, test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { pino } from "pino";
import { join } from "node:path";
import { blobPath } from "../../../edge/contract/keys.ts";
import type { Layer } from "../../../edge/contract/records.ts";
import {
  type LayerPart,
  type Layers,
  type LayersOptions,
  type LayerStore,
  openLayers,
  UnfitError,
} from "../../../origin/layers/index.ts";
import { edgeRequests } from "./edge-requests.ts";
import { type LocalBucket, startBucket } from "./local-bucket.ts";
import { PIECE_MEMORY } from "../../../origin/layers/codecs.ts";
import { LocalStore, madeLayer, noise, partOf, prose, statementsOf } from "./local-store.ts";

let bucket: LocalBucket;
let store: LocalStore;
const opened: Layers[] = [];

before(async () => {
  bucket = await startBucket();
  store = new LocalStore();
});
after(async () => {
  await Promise.all(opened.map((layers) => layers.close()));
  await bucket.stop();
  store.remove();
});

function openAll(cache: string, more: Partial<LayersOptions> = {}): Layers {
  const layers = openLayers({
    cacheDir: join(store.scratch, cache),
    root: store.root,
    logger: pino({ level: "silent" }),
    ...more,
  });
  opened.push(layers);
  return layers;
}
const open = (...options: Parameters<typeof openAll>): LayerStore =>
  openAll(...options).of(edgeRequests(bucket.access));

const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const never = new AbortController().signal;
const makeOne = async (layers: LayerStore, part: LayerPart): Promise<Layer> =>
  madeLayer(await layers.make([part], { signal: never, zstd: true }), part);

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
  const made = await layers.make([part], { signal: never, zstd: true });
  const [layer, statements] = [madeLayer(made, part), statementsOf(made, part)];
  assert.ok(layer.zstd);

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
    input: tar,
  });
  for (const { path } of [big, small, file])
    execFileSync("diff", ["-r", "--no-dereference", join(store.root, path), join(directory, path)]);
  const listing = execFileSync("tar", ["-tvf", "-"], { input: tar, encoding: "utf8" });
  assert.match(listing, /-r-xr-xr-x 0\/0 +10 .* nix\/store\/\S+-big\/bin\/tool$/m);
  execFileSync("chmod", ["-R", "u+w", directory]);

  const [statement, zstd] = statements;
  assert.ok(statement && zstd);
  assert.match(statement.compressor, /^libdeflate \d+\.\d+\S*, level 5$/);
  const { key } = part;
  const { diffId } = layer;
  const common = { key, diffId };
  const { compressor: _compressor, members: _members, ...rest } = statement;
  assert.deepEqual(rest, { ...common, codec: "gzip", digest: layer.digest, size: layer.size });
  assert.deepEqual(
    { ...common, codec: "zstd", ...layer.zstd },
    { ...common, codec: zstd.codec, digest: zstd.digest, size: zstd.size },
  );
  assert.deepEqual(
    (await bucket.keys()).filter((path) => path.startsWith("layers/")),
    [],
    "the edge writes the records",
  );
  // Each member can be read for itself, at the place that the statement gives.
  for (const [{ members }, blob] of [
    [statement, gzip],
    [zstd, frames],
  ] as const) {
    assert.ok(members);
    const codec: string = blob === gzip ? "gzip" : "zstd";
    assert.equal(members.sizes.length, Math.ceil(tar.length / members.tarBytes));
    let at = 0;
    for (const [index, size] of members.sizes.entries()) {
      const member = blob.subarray(at, at + size);
      const unpacked = codec === "gzip" ? gunzipSync(member) : zstdDecompressSync(member);
      const from: number = index * members.tarBytes;
      assert.deepEqual(unpacked, tar.subarray(from, from + members.tarBytes));
      at += size;
    }
    assert.equal(at, blob.length);
  }
});

test("a store keeps to its memory and uses all of its threads", async () => {
  for (const [packMemory, concurrency, peak] of [
    [2 * PIECE_MEMORY, 16, 2],
    [2 ** 30, 3, 6],
  ] as const) {
    const layers = openAll(`memory-${concurrency}`, { packMemory, concurrency });
    const from = layers.of(edgeRequests(bucket.access));
    await makeOne(from, await partOf(store.add(`large-${peak}`, { data: prose(9_000_000) })));
    assert.equal(layers.pieces.peak, peak);
    assert.equal(layers.pieces.lent, 0);
  }
});

test("a bare part is the members of its trees alone, and concatenates with others", async () => {
  const paths = [store.add("bare-1", { a: prose(1_500_000, 5) }), store.add("bare-2", "file")];
  const layers = open("bare");
  const whole = await makeOne(layers, await partOf(...paths));
  const bare = await makeOne(layers, {
    ...(await partOf(...paths)),
    key: "b".repeat(64),
    bare: true,
  });
  const tar = gunzipSync(await bucket.bytes(blobPath(whole.digest)));
  const trees = gunzipSync(await bucket.bytes(blobPath(bare.digest)));
  assert.deepEqual(trees, tar.subarray(2 * 512, tar.length - 2 * 512));
  assert.equal(sha256(trees), bare.diffId);
});

test("each store path of a bare part is in members of its own, which its record lists", async () => {
  const large = store.add("tree-large", { a: prose(1_500_000, 5) });
  const [path, other] = [store.add("tree-1", { a: prose(9_000, 6) }), store.add("tree-2", "file")];
  const layers = open("trees");
  const part = async (paths: (typeof path)[], key: string) =>
    makeOne(layers, { ...(await partOf(...paths)), key: key.repeat(64), bare: true });
  const [all, alone] = [await part([path, other, large], "c"), await part([other], "d")];
  assert.deepEqual(
    all.trees?.map(({ name }) => name),
    [path, other, large].map((each) => basename(each.path)).sort(),
  );
  const blob = await bucket.bytes(blobPath(all.digest));
  let offset = 0;
  for (const { name, size, tarSize } of all.trees ?? []) {
    const slice = blob.subarray(offset, (offset += size));
    assert.equal(gunzipSync(slice).length, tarSize, name);
    if (name === basename(other.path))
      assert.deepEqual(slice, await bucket.bytes(blobPath(alone.digest)), "the same in every part");
  }
  assert.equal(offset, blob.length);
  const zstd = await layers.make([{ ...(await partOf(path)), key: "e".repeat(64), bare: true }], {
    signal: never,
    zstd: true,
  });
  const made = zstd.get("e".repeat(64));
  assert.ok(made && !(made instanceof UnfitError));
  assert.equal(made.layer.zstd, undefined, "it is appended to a gzip layer");
});

test("a part that no layer can hold fails alone, with its reason; the others are made", async () => {
  const good = await partOf(store.add("beside", { data: prose(2_000_000) }));
  const bad = await partOf(store.add("whiteout", { "etc/.wh.x": "" }));
  const made = await open("unfit").make([bad, good], { signal: never, zstd: false });
  assert.equal(madeLayer(made, good).key, good.key);
  const unfit = made.get(bad.key);
  assert.ok(unfit instanceof UnfitError);
  assert.match(unfit.message, /-whiteout\/etc\/\.wh\.x cannot be in a layer/);
});

test("any number of threads makes the same bytes", async () => {
  const paths = [
    store.add("same-1", { data: prose(5_000_000, 3) }),
    store.add("same-2", { data: noise(100_000, "b"), text: prose(700_000, 4) }),
  ];
  const part = await partOf(...paths);
  const results: unknown[] = [];
  for (const concurrency of [1, 2, 5]) {
    const layers = open(`threads-${concurrency}`, { concurrency, packMemory: 2 ** 30 });
    results.push(await makeOne(layers, part));
  }
  assert.deepEqual(results[1], results[0]);
  assert.deepEqual(results[2], results[0]);
});
