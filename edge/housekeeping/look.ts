/** Reads the objects of a page, for what they refer to. */
import pLimit from "p-limit";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import type { Bucket, ListedObject } from "../store/bucket.ts";
import { readRecordText } from "../store/read-whole.ts";
import { KINDS } from "./kinds.ts";
import type { Phase } from "./phases.ts";

export interface Looked extends ListedObject {
  readonly refersTo: readonly string[];
  /** Empty where the objects of the phase are not read. */
  readonly text: string;
}

/** Those of the objects that are of the phase's kind, with what they refer to. Throws a BucketUnavailable. */
export async function lookAt(
  bucket: Bucket,
  { kind, refersTo }: Phase,
  objects: readonly ListedObject[],
): Promise<Looked[]> {
  const { has = () => true } = kind === null ? {} : KINDS[kind];
  const own = objects.filter(({ key }) => has(key));
  if (refersTo === undefined) return own.map((object) => ({ ...object, refersTo: [], text: "" }));
  const limit = pLimit(BUCKET_REQUESTS);
  return Promise.all(
    own.map((object) =>
      limit(async () => {
        // Absent when it was deleted since it was listed.
        const text = (await readRecordText(bucket, object.key))?.text ?? "";
        return { ...object, text, refersTo: refersTo(text, object.key) };
      }),
    ),
  );
}
