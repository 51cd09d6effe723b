/** Reads the closures of packages (contract/closure.ts), for SBOMs and the JSON API. */
import type { PackageClosure } from "../contract/closure.ts";
import { decodeClosure, MAX_CLOSURE_BLOB_BYTES } from "../contract/closure-blob.ts";
import { type Digest, digestOf } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { DamagedBlob, type Descriptor } from "../contract/records.ts";
import { BlobsLost } from "./blobs.ts";
import type { Bucket } from "./bucket.ts";
import { readWhole } from "./read-whole.ts";
import { memory } from "./memory.ts";

/** Size of the cache, bytes: some 200 closures as they are stored. */
const REMEMBERED_BYTES = 2 ** 20;
const remembered = memory<Uint8Array>(REMEMBERED_BYTES, ({ length }) => length);

/**
 * The closure that a package record refers to. Cached as it is stored: parsed, it takes twenty
 * times the memory. Throws BlobsLost when it is not in the bucket, DamagedBlob when it has another
 * digest or is no closure.
 */
export async function readClosure(
  bucket: Bucket,
  { digest, size }: Descriptor,
): Promise<PackageClosure> {
  const known = remembered.get(digest);
  if (known !== undefined) return decodeClosure(known, { digest });
  const damaged = (reason: string): DamagedBlob =>
    new DamagedBlob(`the closure ${digest} ${reason}`, digest, { closure: digest });
  if (size > MAX_CLOSURE_BLOB_BYTES) throw damaged(`has ${size} bytes`);
  const blob = await readWhole(bucket, blobPath(digest), (object) => object.size === size);
  if (blob === null) throw await absentOr(bucket, digest, damaged("has another size"));
  if ((await digestOf(blob.bytes)) !== digest) throw damaged("is damaged");
  const closure = decodeClosure(blob.bytes, { digest });
  remembered.set(digest, blob.bytes);
  return closure;
}

/** BlobsLost for a blob that the bucket lacks; `otherwise` for one that it holds all the same. */
async function absentOr(bucket: Bucket, digest: Digest, otherwise: Error): Promise<Error> {
  return (await bucket.head(blobPath(digest))) === null ? new BlobsLost([digest]) : otherwise;
}
