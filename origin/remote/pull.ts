/**
 * Pulls an image from a registry into a directory. Manifests are checked against their digests;
 * blobs that the directory has are not downloaded again.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import pLimit from "p-limit";
import * as v from "valibot";
import type { Digest } from "../../edge/contract/digest.ts";
import { DescriptorSchema } from "../../edge/contract/records.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../edge/contract/media-types.ts";
import { CommandFailed } from "../commands/exit-codes.ts";
import { distinctBlobs, type ImageBlob, type OciImage } from "../image/oci-image.ts";
import { downloadBlob } from "./download.ts";
import { pullScope, type Registry } from "./registry.ts";

/** Blobs fetched at once. */
const PARALLEL = 4;
/** Largest manifest, bytes (distribution spec, "Pushing manifests": at least 4 MB). */
const MAX_MANIFEST = 4 * 2 ** 20;

const MANIFEST_TYPES = [OCI_INDEX, DOCKER_MANIFEST_LIST, OCI_MANIFEST, DOCKER_MANIFEST];

const TypedSchema = v.object({
  ...DescriptorSchema.entries,
  mediaType: v.string(),
  platform: v.optional(v.object({ os: v.string(), architecture: v.string() })),
});
const IndexSchema = v.object({ manifests: v.pipe(v.array(TypedSchema), v.minLength(1)) });
const ManifestSchema = v.object({ config: TypedSchema, layers: v.array(TypedSchema) });
const ConfigSchema = v.object({ os: v.string(), architecture: v.string() });

type Index = v.InferOutput<typeof IndexSchema>;
type Manifest = v.InferOutput<typeof ManifestSchema>;

/** A manifest as the registry has sent it. */
export interface FetchedManifest {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Headers;
}

export interface PullOptions {
  readonly repository: string;
  /** A tag or a digest. */
  readonly reference: string;
  /** `linux/amd64`; all when left out. */
  readonly platform?: string | undefined;
  /** The path of a blob's file. */
  readonly path: (digest: Digest) => string;
  readonly events: PullEvents;
}

export interface PullEvents {
  /** Bytes that are there, and that are needed in all; bytes that were downloaded. */
  readonly bytes: (done: number, total: number, fetched: number) => void;
}

/**
 * Asks for a manifest by tag or digest. Throws a CommandFailed when it is not what it should be.
 */
export async function fetchManifest(
  registry: Registry,
  repository: string,
  reference: string,
): Promise<FetchedManifest> {
  const answer = await registry.send(`/v2/${repository}/manifests/${reference}`, {
    headers: { accept: MANIFEST_TYPES.join(", ") },
    scopes: [pullScope(repository)],
  });
  const bytes = await manifestBytes(answer, registry.host, reference);
  const digest: Digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const promised = reference.startsWith("sha256:")
    ? reference
    : (answer.headers.get("docker-content-digest") ?? digest);
  if (promised !== digest)
    throw new CommandFailed(
      "failed",
      `${registry.host} gave ${digest} for the manifest ${promised}`,
    );
  const mediaType = (answer.headers.get("content-type") ?? "").split(";")[0]?.trim() ?? "";
  return { mediaType, digest, size: bytes.length, bytes, headers: answer.headers };
}

async function manifestBytes(
  { body }: Response,
  host: string,
  reference: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      size += chunk.length;
      if (size > MAX_MANIFEST) break;
      chunks.push(chunk);
    }
  } catch (error) {
    // fetch ends a body that is cut off with a TypeError.
    if (!(error instanceof TypeError)) throw error;
    throw new CommandFailed("later", `${host} cut off the manifest ${reference}`, { cause: error });
  }
  if (size > MAX_MANIFEST)
    throw new CommandFailed(
      "failed",
      `the manifest ${reference} has more than ${MAX_MANIFEST} bytes`,
    );
  return new Uint8Array(Buffer.concat(chunks));
}

/** Pulls an image; downloads what the directory lacks. Throws a CommandFailed. */
export async function pullImage(registry: Registry, options: PullOptions): Promise<OciImage> {
  const { repository, reference, platform } = options;
  const top = await fetchManifest(registry, repository, reference);
  const tree = await manifestTree(registry, repository, top, platform);
  const blobs = tree.manifests.flatMap(({ manifest }) => [...manifest.layers, manifest.config]);
  await fetchBlobs(registry, blobs, options);
  const files: ImageBlob[] = blobs.map(({ digest, size, mediaType }) => ({
    digest,
    size,
    mediaType,
    content: { file: options.path(digest) },
  }));
  const texts = [...tree.manifests.map(({ fetched }) => fetched), tree.root];
  return {
    root: descriptorOf(tree.root),
    platforms: await Promise.all(
      tree.manifests.map(async ({ fetched, manifest: { config, layers } }) => ({
        platform: await platformOf(options.path(config.digest)),
        manifest: descriptorOf(fetched),
        config: { digest: config.digest, size: config.size },
        layers: layers.map(({ digest, size }) => ({ digest, size })),
      })),
    ),
    blobs: distinctBlobs([
      ...files,
      ...texts.map((fetched) => ({ ...descriptorOf(fetched), content: fetched.bytes })),
    ]),
  };
}

interface Tree {
  readonly root: FetchedManifest;
  readonly manifests: readonly {
    readonly fetched: FetchedManifest;
    readonly manifest: Manifest;
  }[];
}

/**
 * The manifest, or the index with its manifests. For a single platform the root is its manifest,
 * since the index would refer to manifests that are left out.
 */
async function manifestTree(
  registry: Registry,
  repository: string,
  top: FetchedManifest,
  platform: string | undefined,
): Promise<Tree> {
  if (top.mediaType !== OCI_INDEX && top.mediaType !== DOCKER_MANIFEST_LIST)
    return { root: top, manifests: [{ fetched: top, manifest: parsed(ManifestSchema, top) }] };
  const wanted = chosen(parsed(IndexSchema, top), platform);
  const manifests = await Promise.all(
    wanted.map(async ({ digest }) => {
      const fetched = await fetchManifest(registry, repository, digest);
      return { fetched, manifest: parsed(ManifestSchema, fetched) };
    }),
  );
  const [only] = manifests;
  return { root: platform === undefined || only === undefined ? top : only.fetched, manifests };
}

/** The manifests of an index: all, or the first for the platform, as clients choose it. */
function chosen({ manifests }: Index, platform: string | undefined): Index["manifests"] {
  if (platform === undefined) return manifests;
  const found = manifests.find((one) => nameOf(one.platform) === platform);
  if (found === undefined) {
    const there = [...new Set(manifests.map((one) => nameOf(one.platform)))].join(", ");
    throw new CommandFailed(
      "unknown",
      `the image is not available for ${platform}, only for ${there}`,
    );
  }
  return [found];
}

const nameOf = (platform: Index["manifests"][number]["platform"]): string =>
  platform === undefined ? "no platform" : `${platform.os}/${platform.architecture}`;

async function fetchBlobs(
  registry: Registry,
  blobs: readonly v.InferOutput<typeof TypedSchema>[],
  { repository, path, events }: PullOptions,
): Promise<void> {
  const distinct = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
  const total = distinct.reduce((sum, { size }) => sum + size, 0);
  const limit = pLimit(PARALLEL);
  let [done, fetched] = [0, 0];
  await Promise.all(
    distinct.map((blob) =>
      limit(async () => {
        const file = path(blob.digest);
        const there = (await stat(file).catch(() => undefined))?.size === blob.size;
        const onBytes = (bytes: number): void => {
          done += bytes;
          fetched += there ? 0 : bytes;
          events.bytes(done, total, fetched);
        };
        if (there) onBytes(blob.size);
        else await downloadBlob(registry, repository, blob, file, onBytes);
      }),
    ),
  );
}

async function platformOf(file: string): Promise<string> {
  const parsedConfig = v.safeParse(
    v.pipe(v.string(), v.parseJson(), ConfigSchema),
    await readFile(file, "utf8"),
  );
  return parsedConfig.success ? nameOf(parsedConfig.output) : "no platform";
}

function parsed<T>(schema: v.GenericSchema<unknown, T>, { bytes, digest }: FetchedManifest): T {
  const text = new TextDecoder().decode(bytes);
  const result = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  if (!result.success) throw new CommandFailed("failed", `the manifest ${digest} cannot be parsed`);
  return result.output;
}

const descriptorOf = ({ mediaType, digest, size }: FetchedManifest) => ({
  mediaType,
  digest,
  size,
});
