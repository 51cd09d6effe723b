/**
 * Pushes an image to a registry (distribution spec, "Push"): first the blobs, then the manifests
 * that refer to them, the one with the tag last.
 */
import pLimit from "p-limit";
import type { Digest } from "../../edge/contract/digest.ts";
import { CommandFailed } from "../commands/exit-codes.ts";
import type { ImageBlob, OciImage, TypedDescriptor } from "../image/oci-image.ts";
import { type Arrival, pushBlob } from "./push-blob.ts";
import { pushScope, type Registry } from "./registry.ts";

/** Blobs sent at once. */
const PARALLEL = 4;

export interface PushTarget {
  readonly repository: string;
  /** A tag, or a digest. */
  readonly reference: string;
}

export interface PushOptions {
  /** Repositories of this registry that may have a blob. */
  readonly sources: (digest: Digest) => readonly string[];
  readonly events: PushEvents;
}

export interface PushEvents {
  /** Bytes that the registry has, and that the image has in all. */
  readonly bytes: (done: number, total: number) => void;
  /** Called when the registry has a blob. */
  readonly blob: (digest: Digest, how: Arrival) => void;
}

export interface Pushed {
  readonly root: TypedDescriptor;
  readonly sent: number;
  readonly mounted: number;
  readonly present: number;
  /** Bytes that were sent. */
  readonly bytes: number;
}

/** Pushes an image; returns what was sent. Throws a CommandFailed when the registry refuses. */
export async function pushImage(
  registry: Registry,
  image: OciImage,
  target: PushTarget,
  options: PushOptions,
): Promise<Pushed> {
  const manifests = new Set([
    image.root.digest,
    ...image.platforms.map(({ manifest }) => manifest.digest),
  ]);
  const isManifest = ({ digest, mediaType }: ImageBlob): boolean =>
    manifests.has(digest) || /\.(manifest|index)\.|manifest\.(v2|list)/.test(mediaType);
  const blobs = image.blobs.filter((blob) => !isManifest(blob));
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  const counts = { sent: 0, mounted: 0, present: 0 };
  let [done, bytes] = [0, 0];
  const limit = pLimit(PARALLEL);
  await Promise.all(
    blobs.map((blob) =>
      limit(async () => {
        const how = await pushBlob(registry, blob, target.repository, options.sources(blob.digest));
        counts[how] += 1;
        if (how === "sent") bytes += blob.size;
        done += blob.size;
        options.events.blob(blob.digest, how);
        options.events.bytes(done, total);
      }),
    ),
  );
  for (const blob of image.blobs.filter(isManifest)) {
    const isRoot = blob.digest === image.root.digest;
    await pushManifest(registry, blob, target, isRoot ? target.reference : blob.digest);
  }
  return { root: image.root, bytes, ...counts };
}

async function pushManifest(
  registry: Registry,
  { content, mediaType, digest }: ImageBlob,
  { repository }: PushTarget,
  reference: string,
): Promise<void> {
  if (!(content instanceof Uint8Array)) throw new TypeError("a manifest is in memory");
  const answer = await registry.send(`/v2/${repository}/manifests/${reference}`, {
    method: "PUT",
    headers: { "content-type": mediaType },
    body: new Blob([content as Uint8Array<ArrayBuffer>]),
    scopes: [pushScope(repository)],
  });
  const said = answer.headers.get("docker-content-digest");
  if (said !== null && said !== digest)
    throw new CommandFailed("failed", `${registry.host} stored ${said} for the manifest ${digest}`);
}
