/**
 * A Worker that does to its bucket what a test tells it: `POST /r2`, `/s3` or `/nearby` with one
 * operation as JSON. So every form of Bucket runs in workerd, over the same data.
 */
import type { Bucket } from "../../../edge/store/bucket.ts";
import { nearbyBucket } from "../../../edge/store/cache.ts";
import { openBucket } from "../../../edge/store/open.ts";
import type { Env } from "../../../edge/env.ts";
import type { Operation } from "./operation.ts";

export { Build } from "../../../edge/farm/builds/build.ts";
export { Farm } from "../../../edge/farm/farm.ts";
export { Housekeeping } from "../../../edge/housekeeping/housekeeping.ts";
export { Totals } from "../../../edge/pull/totals.ts";

async function run(bucket: Bucket, operation: Operation): Promise<unknown> {
  switch (operation.op) {
    case "head":
      return bucket.head(operation.key);
    case "get": {
      const found = await bucket.get(operation.key, operation.range);
      return (
        found && {
          size: found.size,
          contentType: found.contentType,
          text: await new Response(found.body).text(),
        }
      );
    }
    case "put":
      return bucket.put(operation.key, operation.text, operation);
    case "dropCopy":
      await bucket.dropCopy?.(operation.key);
      return null;
  }
}

/** Without its binding the bucket is the S3 endpoint: one for each isolate, as in the product. */
let withoutBinding: Env | undefined;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { BUCKET: _, ...rest } = env;
    withoutBinding ??= rest;
    const { pathname } = new URL(request.url);
    const opened = openBucket(pathname === "/s3" ? withoutBinding : env);
    const kept: Promise<unknown>[] = [];
    const bucket =
      pathname === "/nearby"
        ? nearbyBucket(opened, caches.default, (work) => void kept.push(work))
        : opened;
    try {
      const value = await run(bucket, (await request.json()) as Operation);
      await Promise.all(kept);
      return Response.json({ value });
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
};
