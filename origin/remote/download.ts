/**
 * Blobs of a registry as files. What was cut off goes on where it ended, in this run or in the
 * next, and a file has its name only when its bytes have its digest.
 *
 *   <hex>           a whole blob
 *   .<hex>.….part   what a process has of it so far, locked; once the process has ended, the next
 *                   one that wants the blob takes it over (within a week: disk/temporary.ts)
 */
import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, stat, truncate } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Descriptor } from "../../edge/contract/records.ts";
import { CommandFailed } from "../commands/exit-codes.ts";
import { namingFullDisk } from "../disk/full.ts";
import { lockedFile, takeAbandoned, type Temporary } from "../disk/temporary.ts";
import { pullScope, type Registry } from "./registry.ts";

/** Connections in a row that may be lost without a byte of the blob. */
const MAX_CUTS = 5;

/** A download, which may be resumed. */
interface Partial {
  readonly file: Temporary;
  hash: Hash;
  size: number;
}

/**
 * Downloads a blob to `path`; `onBytes` hears of bytes as they come. Throws a CommandFailed when
 * the registry refuses, or gives something else.
 */
export async function downloadBlob(
  registry: Registry,
  repository: string,
  blob: Descriptor,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await namingFullDisk(dirname(path), () => mkdir(dirname(path), { recursive: true }));
  const file = await namingFullDisk(dirname(path), () => partialFile(path));
  try {
    const partial = await readPartial(file, blob.size);
    onBytes(partial.size);
    await fetchWhole(registry, repository, blob, partial, onBytes);
    await rename(file.path, path);
  } finally {
    file.release();
  }
}

/** The partial file that another process has left, or a new one; locked. */
async function partialFile(blob: string): Promise<Temporary> {
  const begin = `.${basename(blob)}.`;
  for (const name of await readdir(dirname(blob))) {
    const isPart = name.startsWith(begin) && name.endsWith(".part");
    const taken = isPart ? takeAbandoned(join(dirname(blob), name)) : undefined;
    if (taken !== undefined) return taken;
  }
  return lockedFile(() => join(dirname(blob), `${begin}${randomUUID()}.part`));
}

/** Reads and hashes a partial file; empties it when it has more than `most` bytes. */
async function readPartial(file: Temporary, most: number): Promise<Partial> {
  const { size } = await stat(file.path);
  const hash = createHash("sha256");
  if (size > most) await truncate(file.path);
  else if (size > 0)
    for await (const chunk of createReadStream(file.path)) hash.update(chunk as Uint8Array);
  return { file, hash, size: size > most ? 0 : size };
}

/** Fetches what is missing, over several connections if needed. Throws when it is not the blob. */
async function fetchWhole(
  registry: Registry,
  repository: string,
  blob: Descriptor,
  partial: Partial,
  onBytes: (bytes: number) => void,
): Promise<void> {
  for (let cuts = 0; partial.size < blob.size;) {
    const before = partial.size;
    await fetchRest(registry, repository, blob, partial, onBytes);
    cuts = partial.size > before ? 0 : cuts + 1;
    if (cuts > MAX_CUTS)
      throw new CommandFailed("later", `${registry.host} cuts off blob ${blob.digest}`);
  }
  const found = `sha256:${partial.hash.digest("hex")}`;
  if (found === blob.digest && partial.size === blob.size) return;
  partial.file.remove();
  throw new CommandFailed(
    "failed",
    `${registry.host} gave ${partial.size} bytes of ${found} for blob ${blob.digest}`,
  );
}

/** One request for all that is missing; what comes of it before it is cut off counts. */
async function fetchRest(
  registry: Registry,
  repository: string,
  { digest, size }: Descriptor,
  partial: Partial,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const range = partial.size === 0 ? {} : { range: `bytes=${partial.size}-` };
  const answer = await registry.send(`/v2/${repository}/blobs/${digest}`, {
    headers: range,
    scopes: [pullScope(repository)],
  });
  const file = await open(
    partial.file.path,
    partial.size === 0 || answer.status !== 206 ? "w" : "a",
  );
  try {
    if (answer.status !== 206 && partial.size > 0) {
      // It knows no ranges.
      onBytes(-partial.size);
      partial.hash = createHash("sha256");
      partial.size = 0;
    }
    for await (const chunk of answer.body ?? []) {
      if (partial.size + chunk.length > size) {
        partial.size += chunk.length;
        return;
      }
      await namingFullDisk(dirname(partial.file.path), () => file.appendFile(chunk));
      partial.hash.update(chunk);
      partial.size += chunk.length;
      onBytes(chunk.length);
    }
  } catch (error) {
    // fetch reports a lost connection by a TypeError.
    if (!(error instanceof TypeError)) throw error;
  } finally {
    await file.close();
  }
}
