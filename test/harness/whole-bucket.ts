/** Everything that a record of an origin's work names is there; images the edge composes again. */
import assert from "node:assert/strict";
import { blobPath } from "../../edge/contract/keys.ts";
import type { OperatorBucket } from "../../origin/plan/operator-bucket.ts";

export async function assertWhole(bucket: Pick<OperatorBucket, "list" | "get">): Promise<void> {
  const blobs = new Set<string>();
  for await (const key of bucket.list("blobs/")) blobs.add(key);
  for (const prefix of ["layers/", "packages/"])
    for await (const key of bucket.list(prefix)) {
      const text = new TextDecoder().decode((await bucket.get(key)) ?? new Uint8Array());
      const record = JSON.parse(text, (name, value: unknown) =>
        name === "diffId" ? undefined : value,
      ) as unknown;
      for (const [digest] of JSON.stringify(record).matchAll(/sha256:[0-9a-f]{64}/g))
        assert.ok(
          blobs.has(blobPath(digest as `sha256:${string}`)),
          `${key} names ${digest}, which is not there`,
        );
    }
}
