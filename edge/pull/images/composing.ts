/**
 * Limits the memory that composing takes in an isolate: images are composed in the order in which
 * they were requested, with a limit on their total bytes. An isolate has 128 MB for everything, and
 * one thread, which inflating and hashing keep busy anyway.
 */
import { compose, type ComposedImage, type ComposeInput } from "../../compose/compose.ts";
import { type Inflate, inflateTree } from "../../compose/small-parts.ts";
import { MAX_IMAGE_BYTES } from "../../contract/image-budget.ts";
import type { Bucket } from "../../store/bucket.ts";
import { listingReader } from "../../store/listings.ts";
import { memory } from "../../store/memory.ts";
import { unavailable } from "../errors.ts";
import { MemoryQueue, waitingBytes } from "./memory-queue.ts";

/** Most bytes of images that are being composed at once in one isolate, by bytesOf. */
const COMPOSING_BYTES = 32 * 2 ** 20;
/** Bytes that any image takes: its links and their tar, listings, texts. */
const IMAGE_BYTES = 2 * 2 ** 20;
/**
 * Most bytes of images that wait for their turn: 500 images of one package for one platform each
 * (the packages of every image count too), or 180 of ten. Composing one takes some 50 ms, so the
 * last of them waits for half a minute.
 */
const WAITING_BYTES = 24 * 2 ** 20;
/** Retry-After when too many images wait, seconds. */
const RETRY_SECONDS = 5;

const queue = new MemoryQueue({ budget: COMPOSING_BYTES, waiting: WAITING_BYTES });

/** Inflated store paths of small parts that are remembered, bytes: many images share them. */
const TREES_BYTES = 12 * 2 ** 20;
const trees = memory<Uint8Array>(TREES_BYTES, ({ length }) => length);

/** By digest of the compressed blob and position in it: the same bytes inflate to the same. */
const rememberingInflate: Inflate = (tree) => {
  const known = trees.get(tree.key);
  if (known !== undefined) return known;
  const tar = inflateTree(tree);
  trees.set(tree.key, tar);
  return tar;
};

/** Composes an image when its turn comes. Throws UNAVAILABLE (503) when too many wait. */
export async function composeWithin(bucket: Bucket, input: ComposeInput): Promise<ComposedImage> {
  const release = await queue.take(bytesOf(input), waitingBytes(input));
  if (release === null)
    throw unavailable(
      `too many images are waiting to be composed (limit: ${WAITING_BYTES / 2 ** 20} MiB of memory): try ` +
        `again in ${RETRY_SECONDS} seconds`,
      RETRY_SECONDS,
      { limit: WAITING_BYTES },
    );
  try {
    return await compose(input, listingReader(bucket), rememberingInflate);
  } finally {
    release();
  }
}

/** What composing takes, bytes: its small parts as they are read and again in the layer. */
function bytesOf({ packages }: ComposeInput): number {
  const small = new Map<string, number>();
  for (const { record, made } of packages)
    for (const { key, size, trees } of (made ?? record).layers)
      if (trees !== undefined) small.set(key, size);
  const compressed = [...small.values()].reduce((sum, size) => sum + size, 0);
  return Math.min(MAX_IMAGE_BYTES, IMAGE_BYTES + 2 * compressed);
}
