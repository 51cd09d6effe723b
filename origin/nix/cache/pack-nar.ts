/** Packs a store path for the farm's binary cache: a NAR, compressed with zstd. */
import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { createZstdCompress } from "node:zlib";
import { execa } from "execa";
import { BlobFile, type SpooledBlob } from "../../layers/blob-file.ts";
import { nixEnvironment } from "../settings.ts";

export interface WantedNar {
  readonly storePath: string;
  /** SHA-256 of the NAR, hex, as Nix's database has it. */
  readonly narHash: string;
  /** Directory of the temporary file. */
  readonly spool: string;
  readonly signal: AbortSignal;
}

/**
 * Packs a store path into a temporary file, which the caller closes. Throws an Error when its NAR
 * does not have the hash that Nix's database has.
 */
export async function packNar({
  storePath,
  narHash,
  spool,
  signal,
}: WantedNar): Promise<SpooledBlob & { readonly close: () => void }> {
  const file = new BlobFile(spool);
  const hash = createHash("sha256");
  try {
    const dump = execa("nix-store", ["--dump", storePath], {
      env: nixEnvironment(),
      extendEnv: false,
      stdin: "ignore",
      encoding: "buffer",
      buffer: false,
      cancelSignal: signal,
    });
    const packing = pipeline(
      dump.stdout,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          yield chunk;
        }
      },
      createZstdCompress(),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) file.append(chunk);
      },
    );
    // Both must end before the file is closed, whose descriptor another file may get.
    for (const ended of await Promise.allSettled([dump, packing]))
      if (ended.status === "rejected") throw ended.reason;
    if (hash.digest("hex") !== narHash)
      throw new Error(`${storePath} is damaged: its hash is not that of Nix's database`);
  } catch (error) {
    file.drop();
    throw error;
  }
  return { ...file.finish(), close: () => file.drop() };
}
