/** The files of an image in two layers of about equal size: what the fewest layers could give. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { execa } from "execa";
import { digestOf, type PulledImage, unpackImage } from "../../harness/registry-client.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import type { PushedImage } from "./distribution.ts";

const STORE = "nix/store";
const LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";
const MAX_TAR_BYTES = 2 ** 31;

export async function twoLayers(image: PulledImage): Promise<PushedImage> {
  const root = await tempDir("two-layers");
  try {
    await unpackImage(image, root);
    const tars = await Promise.all((await halves(root)).map((paths) => tarOf(root, paths)));
    const layers = await Promise.all(tars.map((tar) => promisify(gzip)(tar)));
    const config = Buffer.from(
      JSON.stringify({
        ...image.config,
        rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
        history: undefined,
      }),
    );
    const { mediaType } = image.manifest;
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType,
        config: descriptor(image.manifest.config.mediaType, config),
        layers: layers.map((layer) => descriptor(LAYER, layer)),
      }),
    );
    return { mediaType, manifest, blobs: [config, ...layers] };
  } finally {
    await removeTree(root);
  }
}

const descriptor = (mediaType: string, bytes: Buffer) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
});

/** Store paths up to half of their bytes; the other store paths and everything else. */
async function halves(root: string): Promise<string[][]> {
  const { stdout } = await execa("du", ["--summarize", "--bytes", "--", ...(await paths(root))], {
    cwd: root,
  });
  const sizes = stdout.split("\n").map((line) => {
    const [bytes = "", path = ""] = line.split("\t");
    return { path, bytes: Number(bytes) };
  });
  const half = sizes.reduce((sum, { bytes }) => sum + bytes, 0) / 2;
  const first: string[] = [];
  let bytes = 0;
  for (const entry of sizes) {
    if (bytes >= half) break;
    first.push(entry.path);
    bytes += entry.bytes;
  }
  const rest = sizes.slice(first.length).map(({ path }) => path);
  const others = (await readdir(root)).filter((name) => name !== "nix").sort();
  return [first, [...rest, ...others]];
}

const paths = async (root: string): Promise<string[]> =>
  (await readdir(join(root, STORE))).sort().map((name) => `${STORE}/${name}`);

/** Parent directories once: docker refuses a layer in which a path occurs twice. */
async function tarOf(root: string, members: readonly string[]): Promise<Buffer> {
  const owner = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name"];
  const parents = ["--no-recursion", "nix", STORE, "--recursion"];
  const { stdout } = await execa("tar", [...owner, "-cf", "-", ...parents, ...members], {
    cwd: root,
    encoding: "buffer",
    maxBuffer: MAX_TAR_BYTES,
  });
  return Buffer.from(stdout);
}
