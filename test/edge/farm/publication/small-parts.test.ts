/** Where several origins must agree, a small part's blob holds what they have stated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { digestOf } from "../../../../edge/contract/digest.ts";
import { blobPath } from "../../../../edge/contract/keys.ts";
import type { LayerStatement } from "../../../../edge/contract/records.ts";
import { requireContents } from "../../../../edge/farm/publication/small-parts.ts";
import { ownBucket } from "../../store/own-bucket.ts";

const own = ownBucket();

/** A small part of two trees; `holds`: what its blob really unpacks to. */
async function part(
  holds: readonly string[],
  change: Partial<LayerStatement> = {},
): Promise<LayerStatement> {
  const members = holds.map((text) => gzipSync(text));
  const bytes = new Uint8Array(Buffer.concat(members));
  const digest = await digestOf(bytes);
  await own.bucket.put(blobPath(digest), bytes, { contentType: "x/y", ifAbsent: false });
  return {
    key: "1".repeat(64),
    codec: "gzip",
    digest,
    size: bytes.length,
    diffId: await digestOf("firstsecond"),
    compressor: "test",
    trees: members.map(({ length }, at) => ({
      name: `${String(at).repeat(32)}-tree`,
      size: length,
      tarSize: holds[at]?.length ?? 0,
    })),
    ...change,
  };
}

test("a blob that holds what is stated", async () =>
  requireContents(own.bucket, await part(["first", "second"])));

const wrong: readonly [string, () => Promise<LayerStatement>, RegExp][] = [
  ["something else of the same sizes", () => part(["first", "evil!!"]), /does not unpack to/],
  ["the trees in another order", () => part(["second", "first"]), /does not unpack to/],
  [
    "another size of a tree",
    async () => {
      const honest = await part(["first", "second"]);
      const trees = honest.trees?.map((tree) => ({ ...tree, tarSize: tree.tarSize - 1 }));
      return { ...honest, trees };
    },
    /the small part 1+ the tree of/,
  ],
  [
    "a blob that is too large to be read into memory",
    async () => {
      const honest = await part(["first", "second"]);
      await own.bucket.put(blobPath(honest.digest), new Uint8Array(32 * 2 ** 20 + 1), {
        contentType: "x/y",
        ifAbsent: false,
      });
      return honest;
    },
    /has more than 33554432 bytes/,
  ],
  [
    "bytes that are not gzip",
    async () => {
      const honest = await part(["first", "second"]);
      await own.bucket.put(blobPath(honest.digest), "x".repeat(honest.size), {
        contentType: "x/y",
        ifAbsent: false,
      });
      return honest;
    },
    /is not in the bucket as its digest says/,
  ],
];
for (const [what, stated, says] of wrong)
  test(`${what}: refused`, async () =>
    assert.rejects(requireContents(own.bucket, await stated()), says));
