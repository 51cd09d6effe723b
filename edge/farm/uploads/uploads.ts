/**
 * Signs uploads of origins, so that they need no credentials: one PUT for each blob, valid only for
 * its key, size, content and type (store/s3-signed-requests.ts), and for 15 minutes. The bytes for a job and in a
 * day are limited, so that an origin cannot fill the bucket.
 */
import pLimit from "p-limit";
import type { Config } from "../../config.ts";
import { blobPath } from "../../contract/keys.ts";
import { type Grant, MAX_UPLOAD_BYTES, type Upload } from "../../contract/bucket-requests.ts";
import { note } from "../../log.ts";
import type { Bucket } from "../../store/bucket.ts";
import { keepBlobs } from "../../store/claims.ts";
import { signPut } from "../../store/s3-signed-requests.ts";
import { BUCKET_CONCURRENCY, TIMES } from "../limits.ts";

/** A request is refused; the message is for the origin's operator. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";
}

/**
 * Most blobs of one job: 80 packages with only new layers, in both compressions, have some 10,000;
 * retries count too.
 */
const JOB_BLOBS = 20_000;
/** Most bytes of one job: the largest closures of nixpkgs have 10 GB. */
const JOB_BYTES = 64 * 2 ** 30;
const DAY_MS = 86_400_000;

export interface UploadTerms extends Pick<Config, "s3" | "uploadsPerDay"> {
  readonly origin: string;
  /** A job that the origin holds. */
  readonly job: string;
}

interface Use {
  readonly blobs: number;
  readonly bytes: number;
}

export class Uploads {
  readonly #storage: DurableObjectStorage;
  readonly #bucket: Bucket;
  /** One for all requests. */
  readonly #limit = pLimit(BUCKET_CONCURRENCY);

  constructor(storage: DurableObjectStorage, bucket: Bucket) {
    this.#storage = storage;
    this.#bucket = bucket;
    storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS uploads (
        whose TEXT PRIMARY KEY, blobs INTEGER NOT NULL, bytes INTEGER NOT NULL,
        until INTEGER NOT NULL) WITHOUT ROWID;
    `);
  }

  /**
   * A signed PUT for each blob that the bucket lacks, in order. Throws RequestRefused when a limit
   * is reached or the edge cannot sign, and BucketUnavailable.
   */
  async grant(blobs: readonly Upload[], terms: UploadTerms): Promise<Grant[]> {
    const { s3 } = terms;
    if (s3 === null) throw new RequestRefused("this edge has no credentials to sign uploads with");
    const large = blobs.find(({ size }) => size > MAX_UPLOAD_BYTES);
    if (large !== undefined)
      throw new RequestRefused(
        `the blob ${large.digest} has ${large.size} bytes; the most in one upload is ` +
          `${MAX_UPLOAD_BYTES}`,
      );
    await keepBlobs(
      this.#bucket,
      blobs.map(({ digest }) => digest),
    );
    const found = await Promise.all(
      blobs.map(({ digest }) => this.#limit(() => this.#bucket.head(blobPath(digest)))),
    );
    const lacking = blobs.filter(({ size }, at) => found[at]?.size !== size);
    this.#take(lacking, terms);
    return Promise.all(
      blobs.map(async (blob, at): Promise<Grant> => {
        const there = found[at] ?? null;
        if (there?.size === blob.size) return { kind: "present" };
        // An object of another size under the blob's key is damaged, so it is replaced.
        if (there !== null)
          note("warn", "blob.damaged", { digest: blob.digest, size: blob.size, has: there.size });
        return { kind: "put", ...(await signPut(s3, { ...blob, ifAbsent: there === null })) };
      }),
    );
  }

  /** Bytes granted to all origins since 00:00 UTC. */
  today(): number {
    return this.#storage.sql
      .exec<{ bytes: number }>(
        `SELECT coalesce(sum(bytes), 0) AS bytes FROM uploads
         WHERE whose LIKE 'origin %' AND until > ?`,
        Date.now(),
      )
      .one().bytes;
  }

  /** Counts these blobs, or throws and counts none. */
  #take(blobs: readonly Upload[], { origin, job, uploadsPerDay }: UploadTerms): void {
    if (blobs.length === 0) return;
    const now = Date.now();
    const day = Math.floor(now / DAY_MS);
    const more = { blobs: blobs.length, bytes: blobs.reduce((sum, { size }) => sum + size, 0) };
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec("DELETE FROM uploads WHERE until <= ?", now);
      const ofJob = this.#count(`job ${job}`, more, now + TIMES.job);
      if (ofJob.blobs > JOB_BLOBS)
        throw new RequestRefused(`a job may store at most ${JOB_BLOBS} blobs`);
      if (ofJob.bytes > JOB_BYTES)
        throw new RequestRefused(`a job may store at most ${JOB_BYTES} bytes`);
      const ofDay = this.#count(`origin ${origin} ${day}`, more, (day + 1) * DAY_MS);
      if (uploadsPerDay !== null && ofDay.bytes > uploadsPerDay)
        throw new RequestRefused(
          `origin ${origin} may store at most ${uploadsPerDay} bytes in a day (UPLOADS_PER_DAY ` +
            `at the edge); the count starts again at 00:00 UTC`,
        );
    });
    note("info", "uploads.signed", { origin, job, ...more });
  }

  #count(whose: string, { blobs, bytes }: Use, until: number): Use {
    return this.#storage.sql
      .exec<{ blobs: number; bytes: number }>(
        `INSERT INTO uploads (whose, blobs, bytes, until) VALUES (?, ?, ?, ?)
         ON CONFLICT (whose) DO UPDATE SET
           blobs = blobs + excluded.blobs, bytes = bytes + excluded.bytes
         RETURNING blobs, bytes`,
        whose,
        blobs,
        bytes,
        until,
      )
      .one();
  }
}
