/**
 * Stores what was built on this machine in the farm's binary cache, one store path after another,
 * in the background. A garbage collector root in a directory stands for each store path that is
 * still to be stored, so Nix keeps it, and a restart does not lose it. What fails is tried again
 * later.
 */
import { createReadStream } from "node:fs";
import { mkdir, readdir, readlink, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { MAX_NAR_BYTES, narinfoKey, narKey } from "../../../edge/contract/binary-cache.ts";
import { digestOf } from "../../../edge/contract/digest.ts";
import type { CacheRequests, SignedRequests } from "../../channel/index.ts";
import { queryPaths, validPaths } from "../build/closure.ts";
import { nixOutput } from "../nix-output.ts";
import { nixEnvironment } from "../settings.ts";
import { narinfo } from "./narinfo.ts";
import { packNar } from "./pack-nar.ts";
import type { SigningKey } from "./signing-key.ts";

/** Pause before what failed is tried again, ms. */
const RETRY_MS = 10 * 60_000;
/** Largest NAR, bytes: a larger one hardly compresses to MAX_NAR_BYTES. */
const MAX_UNPACKED_BYTES = 4 * MAX_NAR_BYTES;
/** Failures in a row after which the bucket or the edge is taken to be unreachable. */
const MAX_FAILURES = 3;
/** Longest upload of one file, ms. */
const UPLOAD_MS = 30 * 60_000;

export interface PusherOptions {
  /** Keeps roots and temporary files. */
  readonly directory: string;
  readonly key: SigningKey;
  readonly cache: Pick<CacheRequests, "store">;
  readonly http: Pick<SignedRequests, "put">;
  readonly logger: Pick<Logger, "info" | "warn" | "debug">;
  readonly retryMs?: number;
}

/** Stores the builds of one origin. */
export class Pusher {
  readonly #options: PusherOptions;
  readonly #stop = new AbortController();
  /** Names in the directory of what could not be stored the last time. */
  #failed = new Set<string>();
  #rooting = Promise.resolve();
  #wake: () => void = () => {};
  readonly #running: Promise<void>;

  constructor(options: PusherOptions) {
    this.#options = options;
    this.#running = this.#keepPushing();
  }

  /** To be called with derivations that were built here: their outputs are stored soon. */
  built(derivations: readonly string[]): void {
    this.#rooting = this.#rooting
      .then(() => this.#root(derivations))
      .catch((error: Error) => this.#warn("what was built here cannot be kept", error))
      .then(() => this.#wake());
  }

  /** Stops. What is not stored yet is stored after the next start. */
  async close(): Promise<void> {
    this.#stop.abort(new Error("the origin stops"));
    this.#wake();
    await this.#rooting;
    await this.#running;
  }

  get #pending(): string {
    return join(this.#options.directory, "pending");
  }

  /** Makes a root for each output that exists, in the order in which they were built. */
  async #root(derivations: readonly string[]): Promise<void> {
    await mkdir(this.#pending, { recursive: true });
    // `close` does not end this: an output without a root would never be stored.
    const env = nixEnvironment();
    const query = ["--query", "--outputs", "--", ...derivations];
    const text = await nixOutput("outputs cannot be found", "nix-store", query, { env });
    const outputs = text.split("\n").filter((line) => line !== "");
    const valid = await validPaths(outputs);
    for (const [index, path] of outputs.entries()) {
      if (!valid.has(path)) continue;
      // Sorted by name, dependencies come first, since they were built first.
      const order = `${String(Date.now()).padStart(15, "0")}-${String(index).padStart(6, "0")}`;
      const root = ["--add-root", join(this.#pending, `${order}-${basename(path)}`), "--", path];
      await nixOutput("a root cannot be made", "nix-store", ["--realise", ...root], {
        env,
      });
    }
  }

  async #keepPushing(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const failed = await this.#pushAll().catch((error: Error) => error);
      if (signal.aborted) return;
      if (failed !== undefined)
        this.#warn("what was built here is not in the farm's cache", failed);
      if (failed === undefined) await woken;
      else await this.#pause(woken);
    }
  }

  /** Waits until it is time to try again, or more was built. */
  async #pause(woken: Promise<void>): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, over.signal]);
    const { retryMs = RETRY_MS } = this.#options;
    await Promise.race([woken, sleep(retryMs, undefined, { signal }).catch(() => undefined)]);
    over.abort();
  }

  /**
   * Stores everything that is pending; returns the last error, if any. What failed the last time
   * comes last, so that it does not keep the others back.
   */
  async #pushAll(): Promise<Error | undefined> {
    const names = (await readdir(this.#pending).catch(() => [])).toSorted();
    const isLast = (name: string): number => Number(this.#failed.has(name));
    const inOrder = names.toSorted((a, b) => isLast(a) - isLast(b));
    this.#failed = new Set(names.filter((name) => this.#failed.has(name)));
    let [failed, inARow]: [Error | undefined, number] = [undefined, 0];
    for (const name of inOrder) {
      if (this.#stop.signal.aborted || inARow === MAX_FAILURES) break;
      const link = join(this.#pending, name);
      try {
        await this.#push(await readlink(link));
        await rm(link, { force: true });
        inARow = 0;
      } catch (error) {
        failed = error as Error;
        inARow += 1;
        this.#failed.add(name);
      }
    }
    return failed;
  }

  async #push(storePath: string): Promise<void> {
    const { cache, directory, key, logger } = this.#options;
    const { signal } = this.#stop;
    // Somebody deleted it by hand.
    if (!(await validPaths([storePath], signal)).has(storePath)) return;
    const [info] = await queryPaths([storePath], signal);
    if (info === undefined) throw new Error(`Nix's database has no entry for ${storePath}`);
    if (info.narSize > MAX_UNPACKED_BYTES)
      return logger.info({ storePath, bytes: info.narSize }, "too large for the farm's cache");
    const narHash = info.narHash.slice("sha256:".length);
    const file = await packNar({ storePath, narHash, spool: join(directory, "spool"), signal });
    try {
      if (file.size > MAX_NAR_BYTES)
        return logger.info({ storePath, bytes: file.size }, "too large for the farm's cache");
      const { digest, size } = file;
      const content = () => createReadStream("", { fd: file.fd, start: 0, autoClose: false });
      const grant = await cache.store({ key: narKey(digest), digest, size }, signal);
      await this.#put(grant, size, content);
      const query = ["--query", "--references", "--", storePath];
      const references = await nixOutput("references cannot be read", "nix-store", query, {
        env: nixEnvironment(),
        signal,
      });
      const text = Buffer.from(
        narinfo(
          {
            storePath,
            narHash,
            narSize: info.narSize,
            references: references.split("\n").filter((line) => line !== ""),
            fileHash: digest.slice("sha256:".length),
            fileSize: size,
          },
          key,
        ),
      );
      const described = {
        key: narinfoKey(storePath),
        digest: await digestOf(text),
        size: text.length,
      };
      await this.#put(await cache.store(described, signal), text.length, () =>
        Readable.from([text]),
      );
      logger.debug({ storePath, bytes: size }, "stored in the farm's cache");
    } finally {
      file.close();
    }
  }

  async #put(
    grant: Awaited<ReturnType<CacheRequests["store"]>>,
    size: number,
    bytes: () => Readable,
  ): Promise<void> {
    if (grant.kind === "present") return;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(UPLOAD_MS)]);
    const { status } = await this.#options.http.put(grant, { size, bytes: bytes() }, signal);
    // 412: another origin has stored it.
    if (status !== 200 && status !== 412) throw new Error(`the bucket answered ${status}`);
  }

  #warn(what: string, error: Error): void {
    if (this.#stop.signal.aborted) return;
    this.#options.logger.warn({ reason: error.message }, `${what}; it is tried again later`);
  }
}
