/**
 * One blob to a registry: it is asked whether it has it, then whether it can take it from another
 * of its repositories, and only then the blob is sent (distribution spec, "Pushing blobs"):
 *
 *   HEAD  …/blobs/<digest>                        200: present
 *   POST  …/blobs/uploads/?mount=<digest>&from=…  201: mounted; 202: an upload is begun instead
 *   POST  …/blobs/uploads/                        begins an upload
 *   PUT   <upload>?digest=<digest>                all of it, or what PATCHes have sent in chunks
 */
import { openAsBlob } from "node:fs";
import type { Digest } from "../../edge/contract/digest.ts";
import { CommandFailed } from "../commands/exit-codes.ts";
import type { ImageBlob } from "../image/oci-image.ts";
import { pullScope, pushScope, type Registry } from "./registry.ts";

/** Above this a blob goes in chunks of this many bytes: one that fails is sent again alone. */
const CHUNK_BYTES = 32 * 2 ** 20;
/** How often a chunk is sent again. */
const CHUNK_RETRIES = 3;
/** Most repositories from which a mount of one blob is tried. */
const MAX_SOURCES = 2;

/** How a blob came to be in the repository. */
export type Arrival = "present" | "mounted" | "sent";

/**
 * Has the repository hold the blob. `sources`: repositories of this registry that may have it.
 * Throws a CommandFailed when the registry refuses.
 */
export async function pushBlob(
  registry: Registry,
  blob: ImageBlob,
  repository: string,
  sources: readonly string[],
): Promise<Arrival> {
  const { digest } = blob;
  const head = await registry.send(`/v2/${repository}/blobs/${digest}`, {
    method: "HEAD",
    scopes: [pushScope(repository)],
    allowed: [404],
  });
  if (head.ok) return "present";
  const others = sources.filter((source) => source !== repository);
  for (const source of others.slice(0, MAX_SOURCES)) {
    const { mounted, location } = await mount(registry, repository, digest, source);
    if (mounted) return "mounted";
    if (location !== undefined) return send(registry, repository, blob, location);
  }
  return send(registry, repository, blob, await begin(registry, repository));
}

/** The registry takes the blob from a repository of its own, or begins an upload instead. */
async function mount(
  registry: Registry,
  repository: string,
  digest: Digest,
  from: string,
): Promise<{ mounted: boolean; location?: URL | undefined }> {
  const query = new URLSearchParams({ mount: digest, from });
  try {
    const answer = await registry.send(`/v2/${repository}/blobs/uploads/?${query}`, {
      method: "POST",
      scopes: [pushScope(repository), pullScope(from)],
    });
    return { mounted: answer.status === 201, location: locationOf(answer) };
  } catch (error) {
    // Who may not read the other repository may still send the blob; what else is wrong, that
    // tells.
    if (error instanceof CommandFailed) return { mounted: false };
    throw error;
  }
}

async function begin(registry: Registry, repository: string): Promise<URL> {
  const answer = await registry.send(`/v2/${repository}/blobs/uploads/`, {
    method: "POST",
    scopes: [pushScope(repository)],
  });
  const location = locationOf(answer);
  if (location === undefined)
    throw new CommandFailed("failed", `${registry.host} gave no location for an upload`);
  return location;
}

function locationOf({ headers, url }: Response): URL | undefined {
  const location = headers.get("location");
  return location === null ? undefined : (URL.parse(location, url) ?? undefined);
}

async function send(
  registry: Registry,
  repository: string,
  { digest, size, content }: ImageBlob,
  location: URL,
): Promise<"sent"> {
  const body =
    content instanceof Uint8Array
      ? new Blob([content as Uint8Array<ArrayBuffer>])
      : await openAsBlob(content.file);
  if (body.size !== size)
    throw new CommandFailed("failed", `blob ${digest} has ${body.size} bytes here, not ${size}`);
  const upload: Upload = { registry, repository, body };
  const end =
    size > CHUNK_BYTES
      ? { location: await sendChunks(upload, location), body: undefined }
      : { location, body };
  end.location.searchParams.set("digest", digest);
  await registry.send(end.location, {
    method: "PUT",
    headers: {
      "content-type": "application/octet-stream",
      ...(end.body === undefined ? { "content-length": "0" } : {}),
    },
    body: end.body,
    scopes: [pushScope(repository)],
    repeatable: false,
  });
  return "sent";
}

interface Upload {
  readonly registry: Registry;
  readonly repository: string;
  readonly body: Blob;
}

/** Sends the blob in chunks; returns the URL that completes the upload. */
async function sendChunks(upload: Upload, begun: URL): Promise<URL> {
  const { body } = upload;
  let location = begun;
  for (let at = 0, failures = 0; at < body.size;) {
    const end = Math.min(at + CHUNK_BYTES, body.size);
    try {
      location = await sendChunk(upload, location, at, end);
      at = end;
      failures = 0;
    } catch (error) {
      failures += 1;
      const known = failures > CHUNK_RETRIES ? undefined : await progressOf(upload, location);
      if (known === undefined) throw error;
      ({ location, at } = known);
    }
  }
  return location;
}

async function sendChunk(
  { registry, repository, body }: Upload,
  location: URL,
  at: number,
  end: number,
): Promise<URL> {
  const answer = await registry.send(location, {
    method: "PATCH",
    headers: {
      "content-type": "application/octet-stream",
      "content-range": `${at}-${end - 1}`,
    },
    body: body.slice(at, end),
    scopes: [pushScope(repository)],
    repeatable: false,
  });
  return locationOf(answer) ?? location;
}

/** How many bytes of an upload the registry has; undefined when it does not say. */
async function progressOf(
  { registry, repository }: Upload,
  location: URL,
): Promise<{ location: URL; at: number } | undefined> {
  const answer = await registry
    .send(location, { scopes: [pushScope(repository)] })
    .catch(() => undefined);
  const last = /^(?:bytes=)?0-(\d+)$/.exec(answer?.headers.get("range") ?? "")?.[1];
  if (answer === undefined || last === undefined) return undefined;
  // 0-0 means one byte, or none.
  const at = Number(last) === 0 ? 0 : Number(last) + 1;
  return { location: locationOf(answer) ?? location, at };
}
