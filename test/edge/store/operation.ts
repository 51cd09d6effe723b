import type { ByteRange } from "../../../edge/store/bucket.ts";

/** One operation on a bucket, as the test's Worker is told it. */
export type Operation =
  | { readonly op: "head"; readonly key: string }
  | { readonly op: "dropCopy"; readonly key: string }
  | { readonly op: "get"; readonly key: string; readonly range?: ByteRange }
  | {
      readonly op: "put";
      readonly key: string;
      readonly text: string;
      readonly contentType: string;
      readonly ifAbsent: boolean;
    };
