/** Small parts in the profile layer: every store path once, in a layer that tar and gzip accept. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { execa } from "execa";
import { compose, type ComposedImage } from "../../../edge/compose/compose.ts";
import { packProfile } from "../../../edge/compose/profile-layer.ts";
import { inflateTree, readTrees } from "../../../edge/compose/small-parts.ts";
import { parseImageName } from "../../../edge/contract/names.ts";
import { InvalidRecord, type Layer } from "../../../edge/contract/records.ts";
import { tarHeader, tarPadding } from "../../../edge/contract/tar.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { Blobs, digest, hex, layer, record, SCOPE } from "./sample.ts";

const HASH = "0".repeat(32);

/** The tar of a store path that holds one file. */
function tarOf(name: string, contents = `contents of ${name}`): Buffer {
  const path = `nix/store/${HASH}-${name}`;
  const bytes = Buffer.from(contents);
  return Buffer.concat([
    tarHeader({ path, type: "directory", mode: 0o555 }),
    tarHeader({ path: `${path}/file`, type: "file", mode: 0o444, size: bytes.length }),
    bytes,
    Buffer.alloc(tarPadding(bytes.length)),
  ]);
}

/** A small part as an origin publishes it; each tree is compressed in pieces of `piece` bytes. */
function smallPart(blobs: Blobs, names: readonly string[], piece = 1_024): Layer {
  const trees = names.map((name) => {
    const tar = tarOf(name);
    const pieces = Array.from({ length: Math.ceil(tar.length / piece) }, (_, number) =>
      gzipSync(tar.subarray(number * piece, (number + 1) * piece)),
    );
    return { name: `${HASH}-${name}`, tar, blob: Buffer.concat(pieces) };
  });
  const { digest: blob, size } = blobs.add(Buffer.concat(trees.map((tree) => tree.blob)));
  return {
    key: hex(`small ${names.join()}`),
    digest: blob,
    size,
    diffId: digest(names.join()),
    trees: trees.map(({ name, tar, blob }) => ({ name, size: blob.length, tarSize: tar.length })),
  };
}

/** A record whose parts are its own layer and a small part. */
function withSmall(blobs: Blobs, name: string, small: Layer) {
  const layers = [layer(name), small];
  return record(blobs, name, [{ name: "bin", entries: [{ name }] }], {
    layers,
    parts: [
      { key: layers[0]!.key, rank: 1 },
      { key: small.key, rank: 1, small: 1_000 },
    ],
    levels: [[0, 1]],
  });
}

async function imageOf(blobs: Blobs, parts: Record<string, Layer>): Promise<ComposedImage> {
  const request = parseImageName(Object.keys(parts).join("/"));
  const packages = request.names.map((name) => ({
    record:
      parts[name] === undefined
        ? record(blobs, name, [{ name: "etc", entries: [{ name }] }])
        : withSmall(blobs, name, parts[name]),
  }));
  return compose({ scope: SCOPE, request, packages }, blobs.read);
}

/** The lines that GNU tar lists of a layer, once gzip has found it intact. */
async function lines(t: TestContext, bytes: Uint8Array): Promise<string[]> {
  const directory = await tempDir("small-parts");
  t.after(() => removeTree(directory));
  const file = join(directory, "layer.tar.gz");
  await writeFile(file, bytes);
  await execa("gzip", ["-t", file]);
  const { stdout, stderr } = await execa("tar", ["-tvzf", file]);
  assert.equal(stderr, "", "tar has nothing to complain about");
  return stdout.split("\n");
}

/** Names in a layer, without the slash behind a directory's and the target behind a link's. */
const listed = async (t: TestContext, bytes: Uint8Array): Promise<string[]> =>
  (await lines(t, bytes)).map((line) => / (\S+?)\/?(?: -> .*)?$/.exec(line)?.[1] ?? line);

test("small parts are in the profile layer: shared paths once, and parents once", async (t) => {
  const blobs = new Blobs();
  const git = smallPart(blobs, ["gitlib", "pcre"]);
  const curl = smallPart(blobs, ["http", "pcre"]);
  const image = await imageOf(blobs, { git, curl });
  const [profile, config] = image.blobs;
  const names = await listed(t, profile!.bytes);
  assert.equal(new Set(names).size, names.length, "no path twice: docker refuses such a layer");
  assert.deepEqual(
    names.filter((name) => /^nix\/store\/[^/]*$/.test(name)).sort(),
    ["gitlib", "http", "pcre"].map((name) => `nix/store/${HASH}-${name}`),
  );
  assert.ok(names.includes("bin/git"));
  const parents = (await lines(t, profile!.bytes)).filter((line) => /nix\/(store\/)?$/.test(line));
  assert.deepEqual(
    parents.map((line) => [line.split(" ")[0], line.split(" ").at(-1)]),
    [
      ["dr-xr-xr-x", "nix/"],
      ["dr-xr-xr-x", "nix/store/"],
    ],
    "as every layer with store paths has them",
  );

  const { rootfs } = JSON.parse(new TextDecoder().decode(config!.bytes)) as {
    rootfs: { diff_ids: string[] };
  };
  assert.equal(rootfs.diff_ids.at(-1), digest(gunzipSync(profile!.bytes)));
  const named = image.image.layers.map((each) => each.digest);
  assert.ok(!named.includes(git.digest) && !named.includes(curl.digest), "they are no layers");
  assert.equal(rootfs.diff_ids.length, named.length);
});

test("an image without small parts has no store in its profile layer", async (t) => {
  const { bytes } = await packProfile([{ path: "bin", type: "directory", mode: 0o555 }]);
  assert.deepEqual(await listed(t, bytes), ["bin"]);
});

test("the same parts are the same bytes, in whatever order the packages come", async () => {
  const blobs = new Blobs();
  const [git, curl] = [smallPart(blobs, ["a", "b"]), smallPart(blobs, ["b", "c"])];
  const one = await imageOf(blobs, { git, curl });
  const other = await imageOf(blobs, { curl, git });
  assert.deepEqual(one, other);
});

test("a part that adds nothing is not read", async () => {
  const blobs = new Blobs();
  const parts = [smallPart(blobs, ["a", "b"]), smallPart(blobs, ["b"])];
  assert.equal((await readTrees(parts, blobs.read)).length, 2);
  assert.equal(blobs.reads, 1);
});

test("a blob that is not what its part says is refused", async () => {
  const blobs = new Blobs();
  const part = smallPart(blobs, ["a"]);
  const tree = part.trees![0]!;
  const packed = async (trees: Layer["trees"], read = blobs.read): Promise<unknown> =>
    packProfile([], await readTrees([{ ...part, trees: trees! }], read));
  await packed(part.trees);
  for (const tarSize of [tree.tarSize - 512, tree.tarSize + 512])
    await assert.rejects(packed([{ ...tree, tarSize }]), InvalidRecord);
  await assert.rejects(packed([{ ...tree, size: tree.size - 1 }]), InvalidRecord);
  await assert.rejects(
    packed(part.trees, async (name, range) =>
      new Uint8Array(await blobs.read(name, range)).fill(7, 0, 1),
    ),
    InvalidRecord,
  );
  await assert.rejects(packed([{ ...tree, tarSize: 32 * 2 ** 20 }]), /overlap in too many/);
  const two = smallPart(blobs, ["a", "b"]);
  const cut = { ...two, trees: two.trees!.slice(0, 1) };
  await assert.rejects(readTrees([cut], blobs.read), /do not match its blob/);
});

test("a store path of more than 4 MiB is refused: it would be inflated whole", () => {
  const tar = Buffer.alloc(4 * 2 ** 20 + 512);
  const tree = { key: "", name: `${HASH}-large`, compressed: gzipSync(tar), tarSize: tar.length };
  assert.throws(() => inflateTree(tree), /has more than 4194304 bytes/);
  const fits = tar.subarray(512);
  assert.equal(
    inflateTree({ ...tree, compressed: gzipSync(fits), tarSize: fits.length }).length,
    fits.length,
  );
});

test("links and small parts count together: each fits into an image's memory, not both", async () => {
  const links = Array.from({ length: 30_000 }, (_, n) => ({
    path: `share/${n}`,
    type: "symlink" as const,
    target: `/nix/store/${HASH}-package/share/${n}`,
  }));
  const tar = tarOf("noise", Array.from({ length: 1_000 }, (_, n) => hex(`noise ${n}`)).join(""));
  const compressed = gzipSync(tar);
  const trees = Array.from({ length: Math.floor(3_500_000 / compressed.length) }, (_, n) => ({
    key: `${n}`,
    name: `${HASH}-${n}`,
    compressed,
    tarSize: tar.length,
  }));
  await packProfile(links);
  await packProfile([], trees);
  await assert.rejects(packProfile(links, trees), /overlap in too many files/);
  await assert.rejects(packProfile([], [...trees, ...trees]), /overlap in too many files/);
});

test("more than 32 MiB of tar are refused, however few bytes they are compressed", async () => {
  const tar = Buffer.alloc(4 * 2 ** 20);
  const tree = { name: HASH, compressed: gzipSync(tar), tarSize: tar.length };
  const trees = Array.from({ length: 8 }, (_, n) => ({ ...tree, key: `${n}` }));
  await packProfile([], trees.slice(1));
  await assert.rejects(packProfile([], trees), /overlap in too many files/);
});

test("more links than fit into one gzip member: the same bytes in every version of Firn", async () => {
  const links = Array.from({ length: 2_000 }, (_, n) => ({
    path: `bin/${n}`,
    type: "symlink" as const,
    target: `/nix/store/${HASH}-package/bin/${n}`,
  }));
  const { bytes, digest, diffId } = await packProfile(links);
  assert.equal(gunzipSync(bytes).length, (2_000 + 2) * 512);
  assert.deepEqual(
    [digest, diffId],
    [
      "sha256:61d3986aa75b1aa874c10142362e023829866e2498d168fed60fac680c73c213",
      "sha256:c8a2592c2dc2f364120fd313cf1618abc9244dec7217eac664bed32630d33c47",
    ],
  );
});
