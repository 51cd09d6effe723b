/**
 * What every client does all day, each through a proxy that sees what it asks for: pulls by tag, by
 * digest, and again. Layers are read back from its storage and hashed.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { TestEdge } from "../edge/registry/support.ts";
import type { Front } from "../harness/clients/front.ts";
import { PULLERS } from "../harness/clients/index.ts";
import { forEachClient } from "./each-client.ts";
import { expectedImage, startRegistry } from "./images.ts";

/** The last part of each path that was asked for since `from`, of manifests or of blobs. */
const asked = (front: Front, kind: "manifests" | "blobs", from: number): string[] =>
  front.passed
    .slice(from)
    .filter(({ path }) => path.includes(`/${kind}/`))
    .map(({ path }) => path.slice(path.lastIndexOf("/") + 1));

/**
 * The layers that a client fetches for an image when it holds another. docker reuses layers as far
 * as both images begin with the same ones, the others each for itself.
 */
function lacking(client: string, wanted: readonly string[], held: readonly string[]): string[] {
  if (client !== "docker") return wanted.filter((layer) => !held.includes(layer));
  return wanted.slice(wanted.findIndex((layer, index) => layer !== held[index]));
}

describe("every client", { concurrency: true }, () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startRegistry();
  });
  after(() => firn?.stop());

  forEachClient({ kinds: PULLERS, url: () => firn.url }, (given) => {
    const { kind, skip } = given;
    test("by tag", { skip }, async () => {
      const { client, front } = given;
      const image = `${front.host}/shell/git`;
      await client.pull(image);
      assert.equal(await client.architecture(image), "amd64");
      const { diffIds } = await expectedImage(firn, "shell/git");
      assert.deepEqual(await client.diffIds(image), diffIds);
    });

    test("again: the tag is asked for, and no layer", { skip }, async () => {
      const { client, front } = given;
      const { layers } = await expectedImage(firn, "shell/git");
      const from = front.passed.length;
      await client.pull(`${front.host}/shell/git`);
      assert.ok(asked(front, "manifests", from).includes("latest"));
      const blobs = asked(front, "blobs", from);
      assert.deepEqual(lacking("", layers, blobs), layers);
    });

    test("the layers that two images share are fetched once", { skip }, async () => {
      const { client, front } = given;
      const held = await expectedImage(firn, "shell/git");
      const { layers, diffIds } = await expectedImage(firn, "shell/git/jq");
      const from = front.passed.length;
      await client.pull(`${front.host}/shell/git/jq`);
      const fetched = asked(front, "blobs", from).filter((digest) => layers.includes(digest));
      assert.deepEqual(fetched.sort(), lacking(kind.name, layers, held.layers).sort());
      assert.deepEqual(await client.diffIds(`${front.host}/shell/git/jq`), diffIds);
    });

    test("by digest: no tag is asked for", { skip }, async () => {
      const { client, front } = given;
      const { digest, diffIds } = await expectedImage(firn, "redis/nginx");
      const from = front.passed.length;
      await client.pull(`${front.host}/redis/nginx@${digest}`);
      assert.deepEqual([...new Set(asked(front, "manifests", from))], [digest]);
      assert.deepEqual(await client.diffIds(`${front.host}/redis/nginx@${digest}`), diffIds);
    });
  });
});
