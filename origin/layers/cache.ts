/**
 * The member cache: a directory of members, at most so many bytes of them, the least recently used
 * going first. Any number of processes may share it: files appear whole, are never changed, and
 * whoever finds one gone makes it again.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, stat, unlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson } from "../../edge/contract/keys.ts";
import { CODECS, type CodecName } from "./codecs.ts";
import { UNFINISHED } from "./member-file.ts";

/** Goes up when members of the same inputs change for another reason than their compressor. */
const MEMBER_FORMAT = 1;
/** A sweep makes room for a while: down to this part of the limit. */
const SWEEP_TO = 0.9;
/**
 * An unfinished file that nobody wrote to for so long was left by a process that died,
 * milliseconds.
 */
const ABANDONED_MS = 3_600_000;

export class MemberCache {
  readonly #directory: string;
  readonly #limit: number;
  /**
   * Bytes in the directory as far as this process knows: as of the last sweep, and what it added
   * since.
   */
  #bytes: number;
  #sweeping: Promise<void> | undefined;

  constructor(directory: string, limit: number) {
    this.#directory = directory;
    this.#limit = limit;
    // The first addition finds out what is there.
    this.#bytes = limit;
  }

  /** File of a member: named by all that decides its bytes. */
  file(path: string, narHash: string, codec: CodecName): string {
    const key = createHash("sha256")
      .update(
        canonicalJson({
          format: MEMBER_FORMAT,
          path,
          narHash,
          codec,
          version: CODECS[codec].version,
        }),
      )
      .digest("hex");
    return join(this.#directory, key.slice(0, 2), `${key}.${codec}`);
  }

  /**
   * Whether there is such a file; marks it as used now. Whether it is whole, its reader finds out.
   */
  async use(file: string): Promise<boolean> {
    const now = new Date();
    return utimes(file, now, now).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return false;
        throw error;
      },
    );
  }

  /**
   * So many bytes were added: makes room when they are too many. Returns when done, so that a full
   * cache slows its filler down.
   */
  added(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes <= this.#limit) return Promise.resolve();
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async #sweep(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const files: { path: string; size: number; used: number }[] = [];
    for (const entry of await readdir(this.#directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      // Another process may sweep as well.
      const stats = await stat(path).catch(() => undefined);
      if (stats === undefined) continue;
      if (!entry.name.endsWith(UNFINISHED))
        files.push({ path, size: stats.size, used: stats.mtimeMs });
      else if (Date.now() - stats.mtimeMs > ABANDONED_MS) await remove(path);
    }
    let bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (bytes > this.#limit) {
      files.sort((a, b) => a.used - b.used);
      for (const { path, size } of files) {
        if (bytes <= this.#limit * SWEEP_TO) break;
        await remove(path);
        bytes -= size;
      }
    }
    this.#bytes = bytes;
  }
}

async function remove(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}
