/**
 * An origin's packing as a process of its own: packs the store paths of argv[2] (JSON: root,
 * cacheDir, cacheBytes, rounds, paths) one by one, over and over, and prints the layers' digests.
 */
import { join } from "node:path";
import { MemberCache } from "../../../origin/layers/cache.ts";
import { closeBlobs, Packer } from "../../../origin/layers/pack.ts";
import { Workers } from "../../../origin/layers/workers.ts";
import type { StorePathInfo } from "../../../origin/nix/types.ts";

export interface PackProcessInput {
  readonly root: string;
  readonly cacheDir: string;
  readonly cacheBytes: number;
  readonly rounds: number;
  readonly paths: readonly StorePathInfo[];
}

const { root, cacheDir, cacheBytes, rounds, paths } = JSON.parse(
  process.argv[2] ?? "",
) as PackProcessInput;
const workers = new Workers(2);
const packer = new Packer({
  cache: new MemberCache(join(cacheDir, "members"), cacheBytes),
  workers,
  root,
  spoolDir: join(cacheDir, "spool"),
});
const { signal } = new AbortController();
for (let round = 0; round < rounds; round++) {
  const layers = await Promise.all(
    paths.map(async (path) => {
      await packer.prepare([path], ["gzip"], signal);
      const layer = await packer.assemble([path], ["gzip"], signal);
      closeBlobs(layer);
      return layer;
    }),
  );
  console.log(JSON.stringify(layers.map(({ diffId, blobs }) => [diffId, blobs.gzip?.digest])));
}
await workers.close();
