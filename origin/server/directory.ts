/**
 * A bucket in a directory: each object is a file named by its key (object-path.ts), so that people
 * can look at it and copy it with any tool.
 *
 *   objects/images/v2/0123….json       an object; written elsewhere first, so it is whole or absent
 *   types/blobs/sha256/ab…             its content type, where the key does not tell it
 *   incoming/<random>                  what is being written
 */
import { randomUUID } from "node:crypto";
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { entriesOf, keyToPath, orAbsent } from "./object-path.ts";

export interface ObjectInfo {
  /** Bytes. */
  readonly size: number;
  readonly contentType: string;
  readonly writtenAt: Date;
}

export interface PutOptions {
  readonly contentType: string;
  readonly ifAbsent: boolean;
  readonly durable: boolean;
  /** Called once the content has arrived; throws when it must not be stored. */
  readonly accept: () => void;
}

export interface ListedKey {
  readonly key: string;
  readonly size: number;
  readonly writtenAt: Date;
}

const JSON_TYPE = "application/json";
const OTHER_TYPE = "application/octet-stream";

export class DirectoryBucket {
  readonly #objects: string;
  readonly #types: string;
  readonly #incoming: string;

  private constructor(dir: string) {
    this.#objects = join(dir, "objects");
    this.#types = join(dir, "types");
    this.#incoming = join(dir, "incoming");
  }

  /**
   * Opens the bucket in `dir`, creating it if needed. Leftovers of a process that died are removed.
   */
  static async open(dir: string): Promise<DirectoryBucket> {
    const bucket = new DirectoryBucket(dir);
    await rm(bucket.#incoming, { recursive: true, force: true });
    for (const each of [bucket.#objects, bucket.#types, bucket.#incoming])
      await mkdir(each, { recursive: true, mode: 0o700 });
    return bucket;
  }

  /** Null when there is no such object. */
  async head(key: string): Promise<ObjectInfo | null> {
    const found = await orAbsent(stat(this.#path(key)));
    if (found === null || !found.isFile()) return null;
    return {
      size: found.size,
      contentType: await this.#typeOf(key),
      writtenAt: found.mtime,
    };
  }

  /**
   * The open file, which the caller must close, and the result of `head`; null when there is none.
   */
  async read(key: string): Promise<(ObjectInfo & { readonly file: FileHandle }) | null> {
    const file = await orAbsent(open(this.#path(key)));
    if (file === null) return null;
    try {
      const found = await file.stat();
      if (found.isFile())
        return {
          file,
          size: found.size,
          contentType: await this.#typeOf(key),
          writtenAt: found.mtime,
        };
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return null;
  }

  /**
   * Writes an object once all of `content` has arrived and `accept` has not thrown. With `ifAbsent`
   * an existing object stays, and the answer is false. With `durable` the content is on the disk
   * when this resolves; otherwise a power failure may leave a part of it.
   */
  async put(
    key: string,
    content: AsyncIterable<Uint8Array>,
    { contentType, ifAbsent, durable, accept }: PutOptions,
  ): Promise<boolean> {
    const path = this.#path(key);
    if (ifAbsent && (await orAbsent(stat(path))) !== null) return false;
    const incoming = join(this.#incoming, randomUUID());
    try {
      const file = await open(incoming, "wx", 0o600);
      try {
        await file.writeFile(content);
        accept();
        if (durable) await file.datasync();
      } finally {
        await file.close();
      }
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      if (contentType !== typeByName(key)) await this.#setType(key, contentType);
      if (!ifAbsent) {
        await rename(incoming, path);
        return true;
      }
      // link(2) fails if the name exists: of two writers one wins.
      try {
        await link(incoming, path);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
        throw error;
      }
    } finally {
      await rm(incoming, { force: true });
    }
  }

  /** A missing object is not an error. */
  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true });
    await rm(this.#typePath(key), { force: true });
  }

  /** Objects whose keys begin with `prefix` and come after `after`, in the order of keys. */
  async list(
    prefix: string,
    { after, limit }: { readonly after: string; readonly limit: number },
  ): Promise<{ readonly objects: ListedKey[]; readonly more: boolean }> {
    const objects: ListedKey[] = [];
    // There may be thousands of other names beside the prefix's last directory, which are not read.
    const begun = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const dir = begun === "" ? this.#objects : this.#path(begun.slice(0, -1));
    for await (const { key, path } of this.#walk(dir, begun, { prefix, after })) {
      const found = await orAbsent(stat(path));
      if (found === null) continue;
      if (objects.length === limit) return { objects, more: true };
      objects.push({ key, size: found.size, writtenAt: found.mtime });
    }
    return { objects, more: false };
  }

  async *#walk(
    dir: string,
    before: string,
    bounds: { readonly prefix: string; readonly after: string },
  ): AsyncGenerator<{ readonly key: string; readonly path: string }> {
    const { prefix, after } = bounds;
    const named = await entriesOf(dir, before);
    named.sort((a, b) => compareKeys(a.key, b.key));
    for (const { key, path, isDirectory } of named) {
      if (!isDirectory) {
        if (key.startsWith(prefix) && compareKeys(key, after) > 0) yield { key, path };
        continue;
      }
      const mayHold = key.startsWith(prefix) || prefix.startsWith(key);
      // All keys in it begin with `key`: they are behind `after` only if that is, or is one of
      // them.
      const isPast = compareKeys(key, after) < 0 && !after.startsWith(key);
      if (mayHold && !isPast) yield* this.#walk(path, key, bounds);
    }
  }

  async #typeOf(key: string): Promise<string> {
    return (await orAbsent(readFile(this.#typePath(key), "utf8"))) ?? typeByName(key);
  }

  async #setType(key: string, contentType: string): Promise<void> {
    const path = this.#typePath(key);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const incoming = join(this.#incoming, randomUUID());
    try {
      await writeFile(incoming, contentType);
      await rename(incoming, path);
    } finally {
      await rm(incoming, { force: true });
    }
  }

  #path(key: string): string {
    return join(this.#objects, keyToPath(key));
  }

  #typePath(key: string): string {
    return join(this.#types, keyToPath(key));
  }
}

const typeByName = (key: string): string => (key.endsWith(".json") ? JSON_TYPE : OTHER_TYPE);

/** The order of S3's listings: by bytes. */
const compareKeys = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));
