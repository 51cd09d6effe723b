/** What refers to an image goes with the image, out of every memory. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OCI_MANIFEST } from "../../../edge/contract/media-types.ts";
import { WITHDRAWN_MS } from "../../../edge/store/fresh.ts";
import { type FrontedEdge, startFrontedEdge } from "../pull/front.ts";
import {
  type Answer,
  digestOf,
  imagesOf,
  putBase,
  putPackage,
  putTag,
  REVISION,
  send,
} from "../registry/support.ts";

let edge: FrontedEdge;
before(async () => {
  edge = await startFrontedEdge();
  const { bucket } = edge.firn;
  await putBase(bucket);
  await putTag(bucket, "latest", REVISION);
  await putPackage(bucket, { name: "git" });
});
after(() => edge?.stop());

test("a minute after an image was withdrawn, neither it nor what refers to it is answered", async () => {
  const { url, bucket } = edge.firn;
  const get = (path: string): Promise<Answer> =>
    send("GET", `${url}/v2/git/${path}`, { Accept: OCI_MANIFEST });
  const digest = digestOf((await get("manifests/latest")).body);
  const referrers = async (): Promise<readonly { readonly digest: string }[]> => {
    const answer = await get(`referrers/${digest}`);
    assert.equal(answer.status, 200, String(answer.body));
    return (JSON.parse(String(answer.body)) as { manifests: { digest: string }[] }).manifests;
  };
  const [artifact] = await referrers();
  assert.ok(artifact);
  const { layers } = JSON.parse(String((await get(`manifests/${artifact.digest}`)).body)) as {
    layers: { digest: string }[];
  };
  const paths = [
    `manifests/${digest}`,
    `manifests/${artifact.digest}`,
    `blobs/${layers[0]?.digest}`,
  ];
  for (const path of paths) assert.equal((await get(path)).status, 200, path);
  for (const key of await imagesOf(bucket, "git")) await bucket.delete(key);
  await edge.advance(WITHDRAWN_MS);
  assert.deepEqual(await referrers(), []);
  for (const path of paths) assert.equal((await get(path)).status, 404, path);
});
