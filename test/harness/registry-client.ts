/**
 * A registry client for tests: pulls by plain HTTP, believes nothing, checks every digest and size.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { execa } from "execa";
import pLimit from "p-limit";

/** What docker asks for at once. */
const PARALLEL_BLOBS = 3;
const ACCEPT =
  "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/**
 * A server closes a connection that was idle for some seconds, perhaps in the moment in which it is
 * used again: real clients then ask again, and fetch does not.
 */
const ALONE = { connection: "close" } as const;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}
export interface Manifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}
export interface ImageConfig {
  readonly architecture: string;
  readonly config: {
    readonly Env: string[];
    readonly Cmd?: string[];
    readonly Labels?: Readonly<Record<string, string>>;
  };
  readonly rootfs: { readonly diff_ids: readonly string[] };
}
export interface PulledImage {
  readonly digest: string;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** Compressed, in manifest order. */
  readonly layers: readonly Buffer[];
  readonly headers: Headers;
}
/** An answer that is no success, with what the registry says. */
export class RegistryAnswer extends Error {
  override readonly name = "RegistryAnswer";
  readonly status: number;
  readonly code: string;
  readonly detail: unknown;
  readonly headers: Headers;
  constructor(status: number, code: string, message: string, detail: unknown, headers: Headers) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.headers = headers;
  }
}

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** The manifest of `name` at a tag or digest. Throws a RegistryAnswer when there is none. */
export async function pullManifest(
  url: string,
  name: string,
  reference = "latest",
  accept = ACCEPT,
): Promise<{ digest: string; manifest: Manifest; headers: Headers }> {
  const response = await fetch(`${url}/v2/${name}/manifests/${reference}`, {
    headers: { accept, ...ALONE },
  });
  if (!response.ok) throw await toAnswer(response);
  const bytes = Buffer.from(await response.arrayBuffer());
  const digest = digestOf(bytes);
  assert.equal(
    response.headers.get("docker-content-digest"),
    digest,
    "Docker-Content-Digest is the digest of the body",
  );
  if (reference.startsWith("sha256:")) assert.equal(digest, reference);
  const manifest = JSON.parse(bytes.toString()) as Manifest;
  assert.equal(
    response.headers.get("content-type"),
    manifest.mediaType,
    "Content-Type is the manifest's own media type",
  );
  return { digest, manifest, headers: response.headers };
}

/** One blob, checked against its descriptor; redirects are followed. */
export async function pullBlob(url: string, name: string, descriptor: Descriptor): Promise<Buffer> {
  const response = await fetch(`${url}/v2/${name}/blobs/${descriptor.digest}`, {
    headers: ALONE,
  });
  if (!response.ok) throw await toAnswer(response);
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.equal(bytes.length, descriptor.size, `size of ${descriptor.digest}`);
  assert.equal(digestOf(bytes), descriptor.digest);
  return bytes;
}

/** The whole image, as a client gets it. */
export async function pullImage(
  url: string,
  name: string,
  reference = "latest",
): Promise<PulledImage> {
  const { digest, manifest, headers } = await pullManifest(url, name, reference);
  const limit = pLimit(PARALLEL_BLOBS);
  const [config, ...layers] = await Promise.all(
    [manifest.config, ...manifest.layers].map((blob) => limit(() => pullBlob(url, name, blob))),
  );
  return { digest, manifest, config: JSON.parse(String(config)) as ImageConfig, layers, headers };
}

/** Unpacks the layers in order into a directory, checking each diff ID. */
export async function unpackImage(image: PulledImage, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [index, layer] of image.layers.entries()) {
    const tar = gunzipSync(layer);
    assert.equal(digestOf(tar), image.config.rootfs.diff_ids[index], `diff ID of layer ${index}`);
    await execa(
      "tar",
      ["--extract", "--file", "-", "--directory", directory, "--preserve-permissions"],
      { input: tar },
    );
  }
}

async function toAnswer(response: Response): Promise<RegistryAnswer> {
  const text = await response.text();
  const type = response.headers.get("content-type");
  assert.equal(type, "application/json", `an error is JSON, not ${type}: ${text.slice(0, 200)}`);
  const [error] = (
    JSON.parse(text) as { errors: { code: string; message: string; detail?: unknown }[] }
  ).errors;
  assert.ok(error !== undefined, "an error answer has at least one error");
  return new RegistryAnswer(
    response.status,
    error.code,
    error.message,
    error.detail,
    response.headers,
  );
}
