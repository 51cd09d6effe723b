/**
 * An origin's packing and uploading as a process of its own: makes a layer of each store path and
 * prints its peak of resident memory, bytes. argv[2] is PackProcessInput as JSON.
 */
import { pino } from "pino";
// An origin has all of this in memory.
import "../../origin/serve.ts";
import { layerKey } from "../../edge/contract/keys.ts";
import { type BucketAccess, openLayers } from "../../origin/layers/index.ts";
import type { StorePathInfo } from "../../origin/nix/types.ts";
import { edgeRequests } from "../origin/layers/edge-requests.ts";

export interface PackProcessInput {
  readonly s3: BucketAccess;
  readonly root: string;
  readonly cacheDir: string;
  readonly paths: readonly StorePathInfo[];
}

const { paths, s3, ...options } = JSON.parse(process.argv[2] ?? "") as PackProcessInput;
const layers = openLayers({ ...options, logger: pino({ level: "silent" }) });
const parts = await Promise.all(
  paths.map(async (info) => ({ key: await layerKey([info]), paths: [info] })),
);
await layers
  .of(edgeRequests(s3))
  .make(parts, { signal: new AbortController().signal, zstd: false });
await layers.close();
process.stdout.write(String(process.resourceUsage().maxRSS * 1024));
