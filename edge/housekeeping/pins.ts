/**
 * Pinned images, which are never collected. An operator pins an image by digest, for machines that
 * pull it once and never again. Each has a record, pins/<name key>/<digest hint>.json.
 */
import pLimit from "p-limit";
import * as v from "valibot";
import { isDigest } from "../contract/digest.ts";
import { digestHint } from "../contract/keys.ts";
import { readConfig } from "../config.ts";
import type { Env } from "../env.ts";
import { note } from "../log.ts";
import { json, wrong } from "../operator/requests.ts";
import type { OperatorRequest } from "../operator/authorize.ts";
import { resolveName } from "../pull/aliases.ts";
import { imageNameOf } from "../pull/images/derived-blobs.ts";
import { manifestUnknown } from "../pull/errors.ts";
import { findImageByDigest } from "../pull/images/images-of-name.ts";
import { nameKeyOf } from "../pull/images/image-paths.ts";
import { BUCKET_REQUESTS } from "../store/blobs.ts";
import { openBucket } from "../store/open.ts";
import { readRecord, type RecordPlace } from "../store/records.ts";
import { PINS } from "./phases.ts";

/** `POST` pins an image, or answers 404 when it is not known. `DELETE` unpins it. */
export async function pinImage(request: OperatorRequest, env: Env): Promise<Response> {
  const { searchParams } = new URL(request.url);
  const [text, digest] = [searchParams.get("name") ?? "", searchParams.get("digest") ?? ""];
  if (!isDigest(digest)) throw wrong("digest must be sha256: and 64 hex digits");
  const bucket = openBucket(env);
  const name = imageNameOf({ config: await readConfig(env) }, await resolveName(bucket, text));
  const key = `${PINS}${await nameKeyOf(name)}/${digestHint(digest)}.json`;
  const pinned = request.method === "POST";
  if (!pinned) await bucket.delete(key);
  else if ((await findImageByDigest(bucket, name, digest)) === null)
    throw manifestUnknown(`the image ${text} has no manifest ${digest}: pull it first`, { digest });
  else {
    const record = { name: text, digest, by: request.operator ?? "", at: Date.now() };
    await bucket.put(key, JSON.stringify(record), {
      contentType: "application/json",
      ifAbsent: true,
    });
  }
  note("info", "operator.pinned", { name: text, digest, pinned, account: request.operator });
  return json({ pins: [{ name: text, digest }] });
}

/** Most pins on one page. */
const MAX_LISTED = 900;
const PinSchema = v.object({ name: v.string(), digest: v.string() });

const pinAt = (path: string): RecordPlace<v.InferOutput<typeof PinSchema>> => ({
  path,
  schema: PinSchema,
  belongs: () => true,
  mutable: true,
});

/** Lists the pinned images, page by page: the first, or that `after` another. */
export async function listPins({ url }: OperatorRequest, env: Env): Promise<Response> {
  const bucket = openBucket(env);
  const after = new URL(url).searchParams.get("after") ?? undefined;
  const { objects, more } = await bucket.list(PINS, { limit: MAX_LISTED, after });
  const limit = pLimit(BUCKET_REQUESTS);
  const pins = await Promise.all(
    objects.map(({ key }) =>
      limit(async () => {
        const pin = await readRecord(bucket, pinAt(key));
        return pin === null ? [] : [{ name: pin.name, digest: pin.digest }];
      }),
    ),
  );
  return json({ pins: pins.flat(), after: more ? objects.at(-1)?.key : undefined });
}
