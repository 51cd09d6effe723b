/**
 * The edge's view of the bucket. Keys come from edge/contract/keys.ts; everything but tags/ and
 * plans/ is written once.
 */

export interface StoredObject {
  /** Bytes of the whole object. */
  readonly size: number;
  readonly contentType: string | undefined;
}

export interface StoredBody extends StoredObject {
  readonly body: ReadableStream<Uint8Array>;
}

/**
 * Bytes `offset` up to `offset + length`, or the last `suffix` bytes. The caller has checked them
 * against the size.
 */
export type ByteRange =
  | { readonly offset: number; readonly length: number }
  | { readonly suffix: number };

export interface Bucket {
  head(key: string): Promise<StoredObject | null>;
  get(key: string, range?: ByteRange): Promise<StoredBody | null>;
  /**
   * Writes the object, and says whether it did: with `ifAbsent`, an object that is there already
   * stays as it is. Atomic: readers see the old one, the new one, never a part.
   */
  put(
    key: string,
    data: Uint8Array<ArrayBuffer> | string,
    options: { contentType: string; ifAbsent: boolean },
  ): Promise<boolean>;
  /** Where copies are kept in front of the bucket: drops the one of this object, which is wrong. */
  dropCopy?(key: string): Promise<void>;
}
