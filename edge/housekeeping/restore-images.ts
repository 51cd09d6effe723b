/**
 * Restores image records that the current run has deleted, when somebody pulls the image after all:
 * an isolate may answer from its memory for a while after the record is gone.
 */
import { note } from "../log.ts";
import type { Bucket } from "../store/bucket.ts";
import type { Deletions } from "./deletions.ts";
import { blobsIn, ofImage } from "./references.ts";
import type { Tables } from "./tables.ts";

export interface RestoreParts {
  readonly tables: Tables;
  readonly bucket: Bucket;
  readonly deletions: Deletions;
}

/** Restores these images, each as `pulledImage` names it. */
export async function restorePulled(parts: RestoreParts, images: readonly string[]): Promise<void> {
  for (const image of images) {
    const [nameKey = "", hint = ""] = image.split(".");
    await restore(parts, nameKey, `.${hint}.`);
  }
}

/** Restores all images of a name; returns whether there were any. */
export const restoreName = (parts: RestoreParts, nameKey: string): Promise<boolean> =>
  restore(parts, nameKey, "");

async function restore(
  { tables, bucket, deletions }: RestoreParts,
  nameKey: string,
  hint: string,
): Promise<boolean> {
  const found = tables.transaction(() => {
    // The notice of a pull may arrive late: an image that has lost a blob since then stays deleted.
    const whole = tables
      .takeDeletedImages(nameKey, hint)
      .filter(({ body }) => tables.gone(blobsIn(body), 0).length === 0);
    for (const { body } of whole) tables.mark(ofImage(body), true);
    tables.reprieve(whole.map(({ key }) => key));
    return whole;
  });
  if (found.length > 0) await deletions.settled();
  const results = await Promise.allSettled(
    found.map(async ({ key, body }) => {
      await bucket.put(key, body, { contentType: "application/json", ifAbsent: true });
      note("info", "gc.restored", { key });
    }),
  );
  // For the next one who asks.
  for (const [at, { key, body }] of found.entries())
    if (results[at]?.status === "rejected") tables.keepDeletedImage(key, body);
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return found.length > 0;
}
