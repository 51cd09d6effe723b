/**
 * Signs URLs with which origins store and read files of the farm's Nix binary cache. These requests
 * belong to no job: files are stored after a job is done, and Nix reads them at any time. The edge
 * does not look into them, since Nix accepts only what is signed with a key that its operator
 * trusts.
 */
import type { Config } from "../../config.ts";
import { MAX_NAR_BYTES, MAX_NARINFO_BYTES, narKey } from "../../contract/binary-cache.ts";
import type { CacheFile, Grant } from "../../contract/bucket-requests.ts";
import type { Bucket } from "../../store/bucket.ts";
import { claim } from "../../store/claims.ts";
import { presign, signPut } from "../../store/s3-signed-requests.ts";
import { RequestRefused } from "./uploads.ts";

/**
 * Most bytes that one origin stores in the cache in a day: some thousand packages, or 20 builds of
 * the largest size. What does not fit is built where it is needed.
 */
const BYTES_PER_DAY = 20 * 2 ** 30;
const DAY_MS = 86_400_000;
/** How long a URL is valid, seconds: reading begins at once, but a large file takes a while. */
const READ_SECONDS = 300;
const NARINFO = "text/x-nix-narinfo";
const NAR = "application/x-nix-nar";

export interface CacheTerms extends Pick<Config, "s3" | "binaryCache"> {
  readonly origin: string;
}

export class BinaryCache {
  readonly #storage: DurableObjectStorage;
  readonly #bucket: Bucket;

  constructor(storage: DurableObjectStorage, bucket: Bucket) {
    this.#storage = storage;
    this.#bucket = bucket;
    storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS cache_use (
        origin TEXT PRIMARY KEY, day INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
    `);
  }

  /**
   * A signed PUT for the file, unless it exists: the first narinfo of a store path stays. Throws
   * RequestRefused when a limit is reached or there is no cache, and BucketUnavailable.
   */
  async store({ key, digest, size }: CacheFile, terms: CacheTerms): Promise<Grant> {
    const s3 = signer(terms);
    const isNarinfo = key.endsWith(".narinfo");
    if (!isNarinfo && key !== narKey(digest))
      throw new RequestRefused(`${key} is not the name of a file with the digest ${digest}`);
    const most = isNarinfo ? MAX_NARINFO_BYTES : MAX_NAR_BYTES;
    if (size > most) throw new RequestRefused(`${key} has ${size} bytes; the most is ${most}`);
    await claim(this.#bucket, [key]);
    const there = await this.#bucket.head(key);
    if (there !== null && (isNarinfo || there.size === size)) return { kind: "present" };
    this.#take(size, terms.origin);
    const contentType = isNarinfo ? NARINFO : NAR;
    const ifAbsent = there === null;
    return { kind: "put", ...(await signPut(s3, { key, digest, size, contentType, ifAbsent })) };
  }

  /** URL at which a file of the cache can be read, whether or not it exists. */
  url(key: string, terms: CacheTerms): Promise<string> {
    return presign(signer(terms), key, READ_SECONDS);
  }

  /** Counts the bytes, or throws and counts none. */
  #take(bytes: number, origin: string): void {
    const day = Math.floor(Date.now() / DAY_MS);
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec("DELETE FROM cache_use WHERE day <> ?", day);
      const used = this.#storage.sql
        .exec<{ bytes: number }>(
          `INSERT INTO cache_use (origin, day, bytes) VALUES (?, ?, ?)
           ON CONFLICT (origin) DO UPDATE SET bytes = bytes + excluded.bytes RETURNING bytes`,
          origin,
          day,
          bytes,
        )
        .one().bytes;
      if (used > BYTES_PER_DAY)
        throw new RequestRefused(
          `origin ${origin} may store at most ${BYTES_PER_DAY} bytes in the binary cache in a ` +
            `day; the count starts again at 00:00 UTC`,
        );
    });
  }
}

function signer({ s3, binaryCache }: CacheTerms): NonNullable<Config["s3"]> {
  if (!binaryCache) throw new RequestRefused("this edge has no binary cache (BINARY_CACHE)");
  if (s3 === null) throw new RequestRefused("this edge has no credentials to sign with (S3_*)");
  return s3;
}
