/**
 * Blobs of a registry as files. What was cut off goes on where it ended, in this run or in the
 * next, and a file has its name only when its bytes have its digest.
 *
 *   <hex>               a whole blob
 *   .<hex>.<pid>.part   what that process has of it so far; once the process has ended, the next
 *                       one that wants the blob takes it over
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Descriptor } from "../../edge/contract/records.ts";
import { CommandFailed } from "../commands/exit-codes.ts";
import { namingFullDisk } from "../disk/full.ts";
import { runs } from "../disk/temporary.ts";
import { pullScope, type Registry } from "./registry.ts";

/** Connections that may be cut in the middle of one blob, without a byte between them. */
const MAX_CUTS = 5;

/** A download that may go on. */
interface Partial {
  readonly path: string;
  hash: Hash;
  size: number;
}

/**
 * Downloads a blob to `path`; `onBytes` hears of bytes as they come. Throws a CommandFailed when the
 * registry refuses, or gives something else.
 */
export async function downloadBlob(
  registry: Registry,
  repository: string,
  blob: Descriptor,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await namingFullDisk(dirname(path), () => mkdir(dirname(path), { recursive: true }));
  const partial = await openPartial(path, blob.size);
  onBytes(partial.size);
  for (let cuts = 0; partial.size < blob.size;) {
    const before = partial.size;
    await fetchRest(registry, repository, blob, partial, onBytes);
    cuts = partial.size > before ? 0 : cuts + 1;
    if (cuts > MAX_CUTS)
      throw new CommandFailed("later", `${registry.host} cuts off blob ${blob.digest}`);
  }
  const found = `sha256:${partial.hash.digest("hex")}`;
  if (found !== blob.digest || partial.size !== blob.size) {
    await rm(partial.path, { force: true });
    throw new CommandFailed(
      "failed",
      `${registry.host} gave ${partial.size} bytes of ${found} for blob ${blob.digest}`,
    );
  }
  await rename(partial.path, path);
}

/** What there is of the blob, with its hash; nothing where it is more than `most` bytes. */
async function openPartial(blob: string, most: number): Promise<Partial> {
  const path = partialPath(blob, process.pid);
  await takeOver(blob, path);
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  const hash = createHash("sha256");
  if (size > most) await rm(path);
  else if (size > 0)
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return { path, hash, size: size > most ? 0 : size };
}

const partialPath = (blob: string, pid: number): string =>
  join(dirname(blob), `.${basename(blob)}.${pid}.part`);

/** Gives what a process that is no more has left of the blob the name `own`. */
async function takeOver(blob: string, own: string): Promise<void> {
  const names = new RegExp(`^\\.${basename(blob)}\\.(\\d+)\\.part$`);
  for (const name of await readdir(dirname(blob))) {
    const pid = Number(names.exec(name)?.[1] ?? process.pid);
    if (pid === process.pid || runs(pid)) continue;
    // Another process may be quicker: then there is none for this one.
    const left = join(dirname(blob), name);
    const taken = await rename(left, own).then(
      () => true,
      () => false,
    );
    if (taken) return;
  }
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
  const file = await open(partial.path, partial.size === 0 || answer.status !== 206 ? "w" : "a");
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
      await namingFullDisk(dirname(partial.path), () => file.appendFile(chunk));
      partial.hash.update(chunk);
      partial.size += chunk.length;
      onBytes(chunk.length);
    }
  } catch (error) {
    // fetch ends a body that is cut off with a TypeError; all else is no matter of the connection.
    if (!(error instanceof TypeError)) throw error;
  } finally {
    await file.close();
  }
}
