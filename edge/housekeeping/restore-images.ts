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

/**
 * Restores the deleted images of a name whose paths contain `hint`; returns whether there were any.
 * Each is remembered until it is in the bucket again, so an interrupted restoration is repeated by
 * the next one who asks. Throws when the bucket does not take one of them.
 */
async function restore(
  { tables, bucket, deletions }: RestoreParts,
  nameKey: string,
  hint: string,
): Promise<boolean> {
  const found = tables.transaction(() => {
    // The notice of a pull may arrive late: an image that has lost a blob since then stays deleted.
    const whole = tables
      .deletedImages(nameKey, hint)
      .filter(({ body }) => tables.gone(blobsIn(body), 0).length === 0);
    for (const { body } of whole) tables.mark(ofImage(body), true);
    tables.reprieve(whole.map(({ key }) => key));
    return whole;
  });
  if (found.length === 0) return false;
  await deletions.settled();
  await Promise.all(
    found.map(async ({ key, body }) => {
      await bucket.put(key, body, { contentType: "application/json", ifAbsent: true });
      tables.forgetDeletedImage(key);
      note("info", "gc.restored", { key });
    }),
  );
  return true;
}
