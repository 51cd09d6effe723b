/** What a pull does with the bucket: in which order it writes, and what it does without it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { blobPath, imageKey, imagePath, packagePath } from "../../../edge/contract/keys.ts";
import type { Digest } from "../../../edge/contract/digest.ts";
import { ImageRecordSchema } from "../../../edge/contract/records.ts";
import * as v from "valibot";
import { until } from "../../harness/until.ts";
import type { Seen } from "../registry/bucket-front.ts";
import {
  makePackage,
  putBase,
  putBlob,
  putPackage,
  putPlan,
  putTag,
  REVISION,
  SCOPE,
  send,
} from "../registry/support.ts";
import { type FrontedEdge, startFrontedEdge } from "./front.ts";

const HOUR = 3_600_000;
const LATER = "ab".repeat(20);

interface Named {
  readonly config?: { readonly digest: Digest };
  readonly layers?: readonly { readonly digest: Digest }[];
  readonly manifests?: readonly { readonly digest: Digest }[];
}

describe("what is named is written before what names it", () => {
  let edge: FrontedEdge;
  before(async () => {
    edge = await startFrontedEdge();
  });
  after(() => edge?.stop());

  test("blobs before manifests, manifests before their index, all of them before the image record", async () => {
    const { bucket, url } = edge.firn;
    await putBase(bucket);
    await putTag(bucket, "latest", REVISION);
    const record = await makePackage(bucket, { name: "git" });
    const layers = await Promise.all(
      record.layers.map(async (layer) => ({
        ...layer,
        zstd: await putBlob(bucket, new TextEncoder().encode(`zstd of ${layer.key}`)),
      })),
    );
    await bucket.put(packagePath(SCOPE, "git"), JSON.stringify({ ...record, layers }), {
      contentType: "application/json",
      ifAbsent: true,
    });

    const written: string[] = [];
    const tooEarly: string[] = [];
    edge.front.before = async ({ method, key, contentType, body }: Seen) => {
      const isRecord = key.startsWith("images/");
      if (method !== "PUT" || !(isRecord || /manifest|index/.test(contentType))) return;
      written.push(isRecord ? "record" : contentType.includes("index") ? "index" : "manifest");
      const json = JSON.parse(String(body)) as Named;
      const named = isRecord
        ? Object.values(v.parse(ImageRecordSchema, json).manifests)
        : [
            ...(json.config ? [json.config] : []),
            ...(json.layers ?? []),
            ...(json.manifests ?? []),
          ];
      assert.ok(named.length > 0);
      for (const { digest } of named)
        if ((await bucket.head(blobPath(digest))) === null) tooEarly.push(`${key} names ${digest}`);
    };
    const answer = await send("GET", `${url}/v2/git/manifests/latest`);
    assert.equal(answer.status, 200, String(answer.body));
    const kinds = await until("the image record is written", () =>
      written.includes("record") ? written : undefined,
    );
    assert.deepEqual(kinds, ["manifest", "manifest", "manifest", "index", "record"]);
    assert.deepEqual(tooEarly, []);
  });
});

describe("a bucket that does not answer after the first pull", () => {
  let edge: FrontedEdge;
  before(async () => {
    edge = await startFrontedEdge();
    const { bucket } = edge.firn;
    for (const revision of [REVISION, LATER]) {
      const scope = { ...SCOPE, revision, plan: "c".repeat(64) };
      await putBase(bucket, scope);
      await putPackage(bucket, { name: "git", scope });
    }
    await putPlan(bucket, "c".repeat(64));
    await putTag(bucket, "latest", REVISION);
  });
  after(() => edge?.stop());
  const pull = (name = "git") => send("GET", `${edge.firn.url}/v2/${name}/manifests/latest`);

  test("a known tag and plan still serve the image, and what is not known is 503", async () => {
    const first = await pull();
    assert.equal(first.status, 200, String(first.body));

    edge.front.down = true;
    await edge.advance(HOUR);
    edge.front.requests.length = 0;
    const without = await pull();
    assert.equal(without.status, 200, String(without.body));
    assert.deepEqual(without.body, first.body);
    assert.ok(
      edge.front.requests.includes("GET tags/starter/latest.json"),
      "the tag was read again",
    );
    assert.ok(edge.front.requests.includes("GET plans/starter.json"), "the plan was read again");

    const unknown = await pull("jq");
    assert.equal(unknown.status, 503);
    assert.match(String(unknown.headers["retry-after"]), /^\d+$/);
  });

  test("when it answers again, what has changed meanwhile shows", async () => {
    await putTag(edge.firn.bucket, "latest", LATER);
    edge.front.down = false;
    await edge.advance(HOUR);
    assert.equal((await pull()).headers["firn-revision"], LATER);
  });
});

test("an image record that is damaged is composed again and replaced", async () => {
  const edge = await startFrontedEdge();
  try {
    const { bucket, url } = edge.firn;
    await putBase(bucket);
    await putPackage(bucket, { name: "git" });
    await putTag(bucket, "latest", REVISION);
    const path = imagePath(await imageKey(SCOPE, ["cacert", "git", "iana-etc"], false));
    await bucket.put(path, '{"format":1,"manifests"', {
      contentType: "application/json",
      ifAbsent: true,
    });
    const answer = await send("GET", `${url}/v2/git/manifests/latest`);
    assert.equal(answer.status, 200, String(answer.body));
    await until("a usable image record replaces the damaged one", async () => {
      const stored = await bucket.get(path);
      const text = stored === null ? "" : await new Response(stored.body).text();
      return text.endsWith("}") && v.is(ImageRecordSchema, JSON.parse(text)) ? true : undefined;
    });
    assert.equal((await edge.firn.logged("record.damaged")).length, 1);
  } finally {
    await edge.stop();
  }
});
