/**
 * An edge that has an R2 binding and no S3 credentials signs nothing: its origins have credentials
 * of their own.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { cleanUp } from "../harness/clean-up.ts";
import { pullImage } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { tinySet } from "./tiny-set.ts";

const s3Variables = ({ s3 }: Firn["edge"]): Record<string, string> => ({
  S3_ENDPOINT: s3.endpoint,
  S3_BUCKET: s3.bucket,
  S3_REGION: s3.region,
  S3_ACCESS_KEY_ID: s3.accessKeyId,
  S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
});

test(
  "an origin with S3 credentials of its own needs no edge that signs",
  {
    skip: await firnUnavailable(),
  },
  async (t) => {
    const atEnd = cleanUp(t);
    const root = await tempDir("own-bucket");
    atEnd(() => removeTree(root));
    const set = await tinySet(root, `tool = program "tool";`);
    const firn = await startFirn({
      packageSet: set.spec,
      emulated: true,
      edgeEnv: { S3_ENDPOINT: "" },
      originEnv: (edge) => ({ ...set.originEnv, ...s3Variables(edge) }),
    });
    atEnd(() => firn.stop());
    const image = await pullImage(firn.url, "tool");
    assert.ok(image.layers.length > 0);
    assert.doesNotMatch(firn.log(), /uploads\.signed/);
  },
);
