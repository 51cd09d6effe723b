/**
 * A registry with a few images whose packages are made by the test: every client can pull them at
 * once, and none takes a build.
 */
import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import {
  digestOf,
  putBase,
  putPackage,
  putShell,
  putTag,
  REVISION,
  startTestEdge,
  type TestEdge,
} from "../edge/registry/support.ts";
import { pullImage } from "../harness/registry-client.ts";

export const PACKAGES = ["git", "curl", "jq", "redis", "nginx", "python3"] as const;

export async function startRegistry(env: Readonly<Record<string, string>> = {}): Promise<TestEdge> {
  const registry = await startTestEdge(env);
  await putBase(registry.bucket);
  await putShell(registry.bucket);
  for (const name of PACKAGES) await putPackage(registry.bucket, { name });
  await putTag(registry.bucket, "latest", REVISION);
  return registry;
}

/** Bytes that do not compress, and that are the same for the same name. */
export function noise(name: string, size: number): Buffer {
  const key = createHash("sha256").update(name).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

export interface Expected {
  readonly digest: string;
  /** Digests of the layers as they travel, lowest first. */
  readonly layers: readonly string[];
  readonly diffIds: readonly string[];
}

/** What a client must hold of an image: found by a pull in which every digest was checked. */
export async function expectedImage(
  { url }: { readonly url: string },
  name: string,
): Promise<Expected> {
  const { digest, manifest, layers, config } = await pullImage(url, name);
  const diffIds = layers.map((layer) => digestOf(gunzipSync(layer)));
  assert.deepEqual(diffIds, config.rootfs.diff_ids);
  return { digest, layers: manifest.layers.map((layer) => layer.digest), diffIds };
}
