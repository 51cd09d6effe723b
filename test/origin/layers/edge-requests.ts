/** What a job's edge answers, without an edge: it signs for the bucket of the test. */
import { blobPath, layerPath } from "../../../edge/contract/keys.ts";
import type { Grant, KnownLayer, Upload } from "../../../edge/contract/bucket-requests.ts";
import type { Codec, Descriptor, LayerRecord } from "../../../edge/contract/records.ts";
import { presign, signPut } from "../../../edge/store/s3-signed-requests.ts";
import type { S3Config } from "../../../edge/store/s3-client.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { Destinations, type JobRequests } from "../../../origin/channel/index.ts";

/** Those of an edge on this machine: any address. */
export function edgeHere(): Destinations {
  const destinations = new Destinations();
  destinations.edgeIsAt({ space: "machine", secure: false });
  return destinations;
}

export interface EdgeRequests extends JobRequests {
  /** The blobs that each request for uploads named. */
  readonly asked: (readonly Upload[])[];
}

/**
 * `s3`: as the origin reaches the bucket; `keys`: of origins in force. Records are handed on as
 * they are, checked by nobody.
 */
export function edgeRequests(
  s3: S3Config,
  keys: Readonly<Record<string, string>> = {},
): EdgeRequests {
  const bucket = s3Bucket(s3);
  const asked: (readonly Upload[])[] = [];
  const isThere = async ({ digest, size }: Descriptor): Promise<boolean> =>
    (await bucket.head(blobPath(digest)))?.size === size;
  const recorded = async (key: string, codec: Codec): Promise<KnownLayer> => {
    const found = await bucket.get(layerPath(key, codec));
    if (found === null) return {};
    const record = (await new Response(found.body).json()) as LayerRecord;
    return { [codec]: { record, present: await isThere(record), keys: { ...keys } } };
  };
  return {
    edge: "edge.example",
    destinations: edgeHere(),
    asked,
    uploads: async (blobs, signal) => {
      asked.push(blobs);
      const grants = await Promise.all(
        blobs.map(async (blob): Promise<Grant> => {
          if (await isThere(blob)) return { kind: "present" };
          return { kind: "put", ...(await signPut(s3, { ...blob, ifAbsent: true })) };
        }),
      );
      signal.throwIfAborted();
      return grants;
    },
    layers: (keys, zstd) =>
      Promise.all(
        keys.map(async (key) => ({
          ...(await recorded(key, "gzip")),
          ...(zstd ? await recorded(key, "zstd") : {}),
        })),
      ),
    url: (digest) => presign(s3, blobPath(digest), 60),
  };
}
