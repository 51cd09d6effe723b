/** Verifying and listing pins while answers of the bucket break off in the middle of their body. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { verify } from "../../../origin/operator/verify.ts";
import type { Seen } from "../registry/bucket-front.ts";
import { startOrigin } from "../registry/origin.ts";
import { digestOf, putTag, REVISION, send } from "../registry/support.ts";
import { type OperatedEdge, startOperatedEdge } from "./support.ts";

let edge: OperatedEdge;
before(async () => {
  edge = await startOperatedEdge();
  const { client, firn } = edge;
  await putTag(firn.bucket, "latest", REVISION);
  const origin = await startOrigin(firn);
  const answer = await send("GET", `${firn.url}/v2/git/manifests/latest`);
  assert.equal(answer.status, 200, String(answer.body));
  await client.pin("git", digestOf(answer.body), true);
  await origin.stop();
});
after(() => edge?.stop());

/** The first answer with each object breaks off; returns the keys of those. */
function cutOnce(): Set<string> {
  const cut = new Set<string>();
  edge.front.cuts = ({ method, key }: Seen) => {
    if (method !== "GET" || key === "" || cut.has(key)) return false;
    cut.add(key);
    return true;
  };
  return cut;
}

test("nothing is found that is not there, and every object is looked at", async (t) => {
  const cut = cutOnce();
  t.after(() => (edge.front.cuts = () => false));
  const { found, looked } = await verify(edge.client, {
    deep: true,
    repair: false,
    tell: () => undefined,
  });
  assert.deepEqual(found, []);
  for (const kind of ["blobs", "packages", "layers", "images"] as const) {
    assert.ok((looked[kind] ?? 0) > 0, kind);
    assert.ok(
      [...cut].some((key) => key.startsWith(`${kind}/`)),
      `${kind} broke off`,
    );
  }
});

test("pins are listed, but for one that is damaged", async (t) => {
  const { bucket } = edge.firn;
  await bucket.put("pins/damaged/0123456789abcdef.json", "{", {
    contentType: "application/json",
    ifAbsent: false,
  });
  const cut = cutOnce();
  t.after(() => (edge.front.cuts = () => false));
  const { pins } = await edge.client.pins();
  assert.deepEqual(
    pins.map(({ name }) => name),
    ["git"],
  );
  assert.equal([...cut].filter((key) => key.startsWith("pins/")).length, 2);
});
