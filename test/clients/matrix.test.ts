/**
 * What every client does all day, each through a proxy that sees what it asks for: pulls by tag, by
 * digest, for another platform, and again. Layers are read back from its storage and hashed.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { TestEdge } from "../edge/registry/support.ts";
import type { Front } from "../harness/clients/front.ts";
import { containerd, cri, PULLERS, skopeo } from "../harness/clients/index.ts";
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

    test("by the index's digest: no tag is asked for", { skip }, async () => {
      const { client, front } = given;
      const { index, digest, diffIds } = await expectedImage(firn, "redis/nginx");
      const from = front.passed.length;
      await client.pull(`${front.host}/redis/nginx@${index}`);
      assert.deepEqual(new Set(asked(front, "manifests", from)), new Set([index, digest]));
      assert.deepEqual(await client.diffIds(`${front.host}/redis/nginx@${index}`), diffIds);
    });

    test("by the digest of one platform's manifest", { skip }, async () => {
      const { client, front } = given;
      const { digest, diffIds } = await expectedImage(firn, "redis/python3");
      const from = front.passed.length;
      await client.pull(`${front.host}/redis/python3@${digest}`);
      assert.deepEqual([...new Set(asked(front, "manifests", from))], [digest]);
      assert.deepEqual(await client.diffIds(`${front.host}/redis/python3@${digest}`), diffIds);
    });

    if (kind === cri) return;
    test("for one platform, then for the other", { skip }, async () => {
      const { client, front } = given;
      const image = `${front.host}/curl/nginx`;
      for (const architecture of ["arm64", "amd64"]) {
        await client.pull(image, `linux/${architecture}`);
        assert.equal(await client.architecture(image), architecture);
        const { diffIds } = await expectedImage(firn, "curl/nginx", architecture);
        assert.deepEqual(await client.diffIds(image), diffIds);
      }
    });

    if (kind !== containerd && kind !== skopeo) return;
    test("for every platform at once", { skip }, async () => {
      const { client, front } = given;
      const image = `${front.host}/jq/nginx`;
      await client.pull(image, "all");
      for (const architecture of ["amd64", "arm64"]) {
        const { diffIds } = await expectedImage(firn, "jq/nginx", architecture);
        assert.deepEqual(await client.diffIds(image, architecture), diffIds);
      }
    });
  });
});
