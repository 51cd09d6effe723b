/** Stores bytes that are in memory, as the blob of their digest. */
import { createHash } from "node:crypto";
import type { Upload } from "../../edge/contract/bucket-requests.ts";
import type { Descriptor } from "../../edge/contract/records.ts";
import type { JobBucket } from "./job-bucket.ts";

/** Stores the bytes; returns their digest and size. Throws as `bucket.put`. */
export async function putBytes(
  bucket: JobBucket,
  {
    bytes,
    contentType,
  }: { readonly bytes: Uint8Array<ArrayBuffer>; readonly contentType: Upload["contentType"] },
  signal: AbortSignal,
): Promise<Descriptor> {
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as const;
  const size = bytes.length;
  await bucket.put({ digest, size, content: bytes, contentType }, signal);
  return { digest, size };
}
