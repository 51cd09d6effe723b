/**
 * A registry with two packages that is asked for what refers to their images, and how a client reads
 * that. Each test file has one of its own.
 */
import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Digest } from "../../../edge/contract/digest.ts";
import { blobPath } from "../../../edge/contract/keys.ts";
import type { Bucket } from "../../../edge/store/bucket.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { startOwnEdge } from "../../harness/start-edge.ts";
import { bundled } from "../../harness/bundle.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import {
  type Answer,
  digestOf,
  putBase,
  putPackage,
  putTag,
  type RequestHeaders,
  REVISION,
  send,
} from "../registry/support.ts";

export const INDEX = "application/vnd.oci.image.index.v1+json";
export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const DOCKER = "application/vnd.docker.distribution.manifest.v2+json";
export const SPDX = "application/spdx+json";
export const IN_TOTO = "application/vnd.in-toto+json";
export const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
export const SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Record<string, string>;
}
export interface Artifact {
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}
export const parse = <T>({ body }: Answer): T => JSON.parse(String(body)) as T;

let stateDir: string;
let edge: Awaited<ReturnType<typeof startOwnEdge>>;
/** The same state under another Worker: an isolate that has nothing in memory. */
export async function restart(env: Record<string, string> = {}): Promise<void> {
  await edge.stop();
  edge = await startOwnEdge({ stateDir, env, module: bundled(), site: false });
}
/** The registry's bucket. */
export const bucketOf = (): Bucket => s3Bucket(edge.s3);

/** A package whose closure is gone from the bucket, and what it is called. */
export async function putLost(): Promise<string> {
  const bucket = bucketOf();
  const { closure } = await putPackage(bucket, { name: "lost", levels: [["libc", "lost"]] });
  await bucket.delete(blobPath(closure.digest));
  return "lost";
}
export const get = (path: string, headers?: RequestHeaders, method = "GET") =>
  send(method, `${edge.url}/v2/${path}`, headers);

before(async () => {
  stateDir = await tempDir("referrers");
  edge = await startOwnEdge({ stateDir, env: {}, module: bundled(), site: false });
  const bucket = bucketOf();
  await putBase(bucket);
  await putTag(bucket, "latest", REVISION);
  await putPackage(bucket, {
    name: "curl",
    facts: {
      homepage: "https://curl.se/",
      licenses: [{ spdxId: "curl", name: "curl License" }],
      description: "transfers data",
    },
  });
  await putPackage(bucket, {
    name: "git",
    facts: { licenses: [{ spdxId: "GPL-2.0-only" }, { name: "A licence; of ours" }] },
  });
});
after(async () => {
  await edge.stop();
  await removeTree(stateDir);
});

/** Digests of the manifests of an image, by type. */
export async function pull(name: string): Promise<Record<"oci" | "docker", Digest>> {
  const [oci, docker] = await Promise.all(
    [MANIFEST, DOCKER].map(async (Accept) => {
      const answer = await get(`${name}/manifests/latest`, { Accept });
      assert.equal(answer.status, 200, String(answer.body));
      return digestOf(answer.body);
    }),
  );
  assert.ok(oci && docker && oci !== docker);
  return { oci, docker };
}

export async function list(
  name: string,
  digest: Digest,
  query = "",
): Promise<readonly Descriptor[]> {
  const answer = await get(`${name}/referrers/${digest}${query}`);
  assert.equal(answer.status, 200, String(answer.body));
  assert.equal(answer.headers["content-type"], INDEX);
  return parse<{ manifests: Descriptor[] }>(answer).manifests;
}

/** What kinds of artifacts refer to a manifest of curl. */
export const types = async (of: Digest) =>
  new Set((await list("curl", of)).map(({ artifactType }) => artifactType));

/** An artifact's manifest, checked as a client does. */
export async function artifact(name: string, { digest, size }: Descriptor): Promise<Artifact> {
  const answer = await get(`${name}/manifests/${digest}`, { Accept: MANIFEST });
  assert.equal(answer.status, 200, String(answer.body));
  assert.equal(answer.headers["content-type"], MANIFEST);
  assert.deepEqual([digestOf(answer.body), answer.body.length], [digest, size]);
  return parse<Artifact>(answer);
}

export async function blob(name: string, { digest, size }: Descriptor): Promise<Buffer> {
  const answer = await get(`${name}/blobs/${digest}`);
  assert.equal(answer.status, 200, String(answer.body));
  assert.deepEqual([digestOf(answer.body), answer.body.length], [digest, size]);
  return answer.body;
}

/** The one layer of the one artifact of this type. */
export async function only(name: string, digest: Digest, type: string): Promise<Buffer> {
  const [first, ...others] = (await list(name, digest)).filter(
    ({ artifactType }) => artifactType === type,
  );
  assert.ok(first && others.length === 0, type);
  const { layers } = await artifact(name, first);
  assert.equal(layers.length, 1);
  return blob(name, layers[0] as Descriptor);
}

/** Everything that refers to a manifest, by digest, read to the last blob. */
export async function everything(name: string, digest: Digest): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const one of await list(name, digest)) {
    const { layers, config } = await artifact(name, one);
    for (const each of [config, ...layers]) all[each.digest] = String(await blob(name, each));
    all[one.digest] = one.artifactType ?? "";
  }
  return all;
}
