/** Images in OCI layouts and archives, as files. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { OCI_MANIFEST } from "../../../edge/contract/media-types.ts";
import type { OciImage } from "../../../origin/image/oci-image.ts";
import { writeImage } from "../../../origin/image/output.ts";
import { temporary } from "../nix/support.ts";

/** An image of one manifest, which is different for each text. */
function image(text: string): OciImage {
  const content = Buffer.from(JSON.stringify({ schemaVersion: 2, text }));
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}` as const;
  const root = { digest, size: content.length, mediaType: OCI_MANIFEST };
  return { root, platforms: [], blobs: [{ ...root, content }] };
}

test("images that are written into one layout at the same time are all in its index", async (t) => {
  const directory = join(temporary(t), "images");
  const tags = Array.from({ length: 8 }, (_, number) => `tag-${number}`);
  const output = { kind: "oci", directory, reference: undefined } as const;
  await Promise.all(tags.map((tag) => writeImage(image(tag), output, { name: "git", tag })));
  await writeImage(image("again"), output, { name: "git", tag: "tag-0" });
  const { manifests } = JSON.parse(readFileSync(join(directory, "index.json"), "utf8")) as {
    manifests: { digest: string; annotations: Record<string, string> }[];
  };
  const found = manifests.map(({ digest, annotations }) => [
    annotations["org.opencontainers.image.ref.name"],
    digest,
  ]);
  assert.deepEqual(
    found.sort(),
    tags.map((tag) => [tag, image(tag === "tag-0" ? "again" : tag).root.digest]),
  );
});
