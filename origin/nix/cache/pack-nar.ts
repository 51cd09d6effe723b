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

/** Packs a store path into a temporary file. Throws when it is not what Nix's database says. */
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
    // Both have ended before the file is closed: another file would get its number.
    for (const ended of await Promise.allSettled([dump, packing]))
      if (ended.status === "rejected") throw ended.reason;
    if (hash.digest("hex") !== narHash)
      throw new Error(`${storePath} is not what Nix's database says: it is damaged`);
  } catch (error) {
    file.drop();
    throw error;
  }
  return { ...file.finish(), close: () => file.drop() };
}
