/**
 * A registry with a few images whose packages are made by the test: every client can pull them at
 * once, and none takes a build.
 */
import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import type { Scope } from "../../edge/contract/keys.ts";
import {
  digestOf,
  putBase,
  putPackage,
  putShell,
  putTag,
  REVISION,
  SCOPE,
  startTestEdge,
  type TestEdge,
} from "../edge/registry/support.ts";
import { pullImage, pullManifest } from "../harness/registry-client.ts";

export const PACKAGES = ["git", "curl", "jq", "redis", "nginx", "python3"] as const;

/** `linux/arm64`'s records. */
export const ARM64: Scope = { ...SCOPE, system: "aarch64-linux" };
const SYSTEMS = [SCOPE.system, ARM64.system].join(",");
const ACCEPT =
  "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";

/** Every tag is an index of both platforms. */
export async function startRegistry(env: Readonly<Record<string, string>> = {}): Promise<TestEdge> {
  const registry = await startTestEdge({ SYSTEMS, ...env });
  for (const scope of [SCOPE, ARM64]) {
    await putBase(registry.bucket, scope);
    await putShell(registry.bucket, scope);
    for (const name of PACKAGES)
      await putPackage(registry.bucket, { name, scope, levels: [[`libc-${scope.system}`, name]] });
  }
  await putTag(registry.bucket, "latest", REVISION);
  return registry;
}

/** Bytes that do not compress, and that are the same for the same name. */
export function noise(name: string, size: number): Buffer {
  const key = createHash("sha256").update(name).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

export interface Expected {
  /** What the tag answers: an index of the platforms, or the manifest where there is one. */
  readonly index: string;
  /** The manifest of one platform. */
  readonly digest: string;
  /** Digests of its layers as they travel, lowest first. */
  readonly layers: readonly string[];
  readonly diffIds: readonly string[];
}

/** What a client must hold of an image: found by a pull in which every digest was checked. */
export async function expectedImage(
  { url }: { readonly url: string },
  name: string,
  architecture = "amd64",
): Promise<Expected> {
  const { digest: index, manifest: list } = await pullManifest(url, name, "latest", ACCEPT);
  const { manifests } = list as { manifests?: readonly Child[] };
  const child = manifests?.find(({ platform }) => platform.architecture === architecture);
  const { digest, manifest, layers, config } = await pullImage(url, name, child?.digest ?? index);
  const diffIds = layers.map((layer) => digestOf(gunzipSync(layer)));
  assert.deepEqual(diffIds, config.rootfs.diff_ids);
  assert.equal(config.architecture, architecture);
  return { index, digest, layers: manifest.layers.map((layer) => layer.digest), diffIds };
}

interface Child {
  readonly digest: string;
  readonly platform: { readonly architecture: string };
}
