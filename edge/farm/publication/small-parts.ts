/**
 * Checks the contents of small parts, where several origins must agree. A client checks layers
 * against their diffIds. But small parts are copied into the profile layer by the edge, so the edge
 * checks that a blob contains what the origins have stated.
 */
import { inflateTree } from "../../compose/small-parts.ts";
import { digestOf } from "../../contract/digest.ts";
import { blobPath } from "../../contract/keys.ts";
import type { LayerStatement } from "../../contract/records.ts";
import type { Bucket } from "../../store/bucket.ts";
import { readWhole } from "../../store/read-whole.ts";
import { InvalidResult } from "./check-results.ts";

/** Largest blob of a small part that is read, bytes: they have at most a few MB. */
const MAX_BLOB_BYTES = 32 * 2 ** 20;

/** Throws InvalidResult unless the blob matches the statement, byte for byte. */
export async function requireContents(bucket: Bucket, statement: LayerStatement): Promise<void> {
  const { key, digest, diffId, trees = [] } = statement;
  const wrong = (reason: string): InvalidResult =>
    new InvalidResult(`the small part ${key} ${reason}`);
  const blob = await readWhole(bucket, blobPath(digest), ({ size }) => size <= MAX_BLOB_BYTES);
  if (blob === null) throw wrong(`has more than ${MAX_BLOB_BYTES} bytes`);
  if ((await digestOf(blob.bytes)) !== digest)
    throw wrong("is not in the bucket as its digest says");
  let tar: Uint8Array<ArrayBuffer>;
  try {
    tar = unpacked(blob.bytes, trees);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
  if ((await digestOf(tar)) !== diffId) throw wrong(`does not unpack to ${diffId}`);
}

function unpacked(
  bytes: Uint8Array,
  trees: NonNullable<LayerStatement["trees"]>,
): Uint8Array<ArrayBuffer> {
  const tar = new Uint8Array(trees.reduce((sum, { tarSize }) => sum + tarSize, 0));
  let [from, to] = [0, 0];
  for (const { name, size, tarSize } of trees) {
    const compressed = bytes.subarray(from, (from += size));
    tar.set(inflateTree({ key: name, name, compressed, tarSize }), to);
    to += tarSize;
  }
  return tar;
}
