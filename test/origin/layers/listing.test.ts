/** Packages walked into listings, read back as the edge reads them. */
import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pino } from "pino";
import {
  decodeDirectory,
  decodeTrailer,
  type DirectoryRef,
} from "../../../edge/contract/listing.ts";
import { blobPath } from "../../../edge/contract/keys.ts";
import { type Layers, type LayerStore, openLayers } from "../../../origin/layers/index.ts";
import { listTree } from "../../../origin/layers/list-tree.ts";
import { edgeRequests } from "./edge-requests.ts";
import { type LocalBucket, startBucket } from "./local-bucket.ts";
import { LocalStore } from "./local-store.ts";

let bucket: LocalBucket;
let store: LocalStore;
let opened: Layers;
let layers: LayerStore;

before(async () => {
  bucket = await startBucket();
  store = new LocalStore();
  opened = openLayers({
    cacheDir: join(store.scratch, "cache"),
    root: store.root,
    logger: pino({ level: "silent" }),
  });
  layers = opened.of(edgeRequests(bucket.access));
});
after(async () => {
  await opened.close();
  await bucket.stop();
  store.remove();
});

type Nested = { [name: string]: Nested | null };

function read(bytes: Uint8Array): Nested {
  const directory = (ref: DirectoryRef): Nested =>
    Object.fromEntries(
      [...decodeDirectory(bytes.subarray(ref.offset, ref.offset + ref.length), ref)].map(
        ([name, below]) => [name, below === null ? null : directory(below)],
      ),
    );
  return directory(decodeTrailer(bytes, bytes.length));
}

const never = new AbortController().signal;
const list = async (path: string): Promise<Nested> => read(await listTree(store.root, path, never));

test("files, directories, links to files and to directories, of this and of other store paths", async () => {
  const other = store.add("data", { "share/doc/readme": "", "share/man/man1/tool.1": "" });
  const { path } = store.add("tool", {
    "bin/tool": { run: "" },
    "bin/alias": { link: "tool" },
    "lib/empty": { directory: true },
    lib64: { link: "lib" },
    share: { link: `${other.path}/share` },
    outside: { link: "/etc" },
    dangling: { link: "../nowhere" },
    "nix-support/propagated": "",
    "deep/nix-support/kept": "",
  });
  const share = { doc: { readme: null }, man: { man1: { "tool.1": null } } };
  assert.deepEqual(await list(path), {
    bin: { alias: null, tool: null },
    lib: { empty: {} },
    lib64: { empty: {} },
    share,
    outside: null,
    dangling: null,
    deep: { "nix-support": { kept: null } },
  });
});

test("links that lead around in circles end", async () => {
  const { path } = store.add("loops", {
    "a/up": { link: ".." },
    "a/self": { link: "self" },
    "b/over": { link: "../c" },
    "c/back": { link: "../b" },
    store: { link: "/nix/store" },
    d: { link: "/nix/store/../store/./" },
  });
  const tree = await list(path);
  assert.deepEqual(tree["a"], { up: null, self: null });
  assert.deepEqual(tree["b"], { over: { back: null } });
  assert.deepEqual([tree["store"], tree["d"]], [null, null]);
});

test("a store path that is a file has nothing to link; one that is a link is what it leads to", async () => {
  assert.deepEqual(await list(store.add("just-a-file", "x").path), {});
  const real = store.add("real", { "bin/x": "" });
  const link = `/nix/store/${"1".repeat(32)}-link`;
  symlinkSync(real.path, join(store.root, link));
  assert.deepEqual(await list(link), { bin: { x: null } });
});

test("names that are not UTF-8 are left to the directory that holds them", async () => {
  const { path } = store.add("bytes", { "share/ok": "" });
  writeFileSync(
    Buffer.concat([Buffer.from(join(store.root, path, "share/")), Buffer.from([0x66, 0xff])]),
    "",
  );
  mkdirSync(join(store.root, path, "share/日本"));
  assert.deepEqual(await list(path), { share: { ok: null, 日本: {} } });
});

test("a package of 20,000 files is listed", async () => {
  const { path } = store.add("huge", {});
  for (let directory = 0; directory < 20; directory++) {
    const at = join(store.root, path, `lib/${directory}`);
    mkdirSync(at, { recursive: true });
    for (let file = 0; file < 1_000; file++) writeFileSync(join(at, `file-${file}`), "");
  }
  const lib = (await list(path))["lib"];
  assert.ok(lib);
  assert.equal(
    Object.values(lib).reduce((sum, files) => sum + Object.keys(files ?? {}).length, 0),
    20_000,
  );
});

test("a listing is a blob; with the NAR hash, the store path is not walked again", async () => {
  const info = store.add("published", { "bin/x": "" });
  const first = await layers.listing(info.path, { narHash: info.narHash });
  const bytes = await bucket.bytes(blobPath(first.digest));
  assert.equal(bytes.length, first.size);
  assert.deepEqual(read(bytes), { bin: { x: null } });
  writeFileSync(join(store.root, info.path, "new"), "");
  assert.deepEqual(await layers.listing(info.path, { narHash: info.narHash }), first);
  assert.notDeepEqual(await layers.listing(info.path), first);
  await bucket.delete(blobPath(first.digest));
  const again = await layers.listing(info.path, { narHash: info.narHash });
  assert.ok((await bucket.keys()).includes(blobPath(again.digest)));
});
