/**
 * The farm's binary cache for this machine's Nix: an HTTP server on a free port of 127.0.0.1 that
 * fetches each file from a URL which the edge has signed, so that neither Nix nor the origin needs
 * credentials. Files that cannot be had are reported to Nix as absent, and Nix builds them.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import type { Logger } from "pino";
import * as v from "valibot";
import { CacheKeySchema } from "../../../edge/contract/binary-cache.ts";
import type { CacheRequests, SignedRequests } from "../../channel/index.ts";
import { storeDir } from "../settings.ts";

/** Longest wait for the edge, and for the first byte of a file, ms: a build waits for it. */
const ANSWER_MS = 10_000;
/** Longest download of a file, ms. */
const READ_MS = 600_000;
/** Time after a failure without further requests, ms: a build may ask for a thousand files. */
const REST_MS = 30_000;
/** Nix asks caches with a lower priority first; the public one has 40. */
const INFO = `StoreDir: ${storeDir()}\nWantMassQuery: 1\nPriority: 60\n`;

export interface SubstituterOptions {
  readonly cache: Pick<CacheRequests, "url">;
  readonly http: Pick<SignedRequests, "get">;
  readonly logger: Pick<Logger, "warn">;
}

/** The server of one origin. */
export class Substituter {
  readonly #options: SubstituterOptions;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #restsUntil = 0;

  static async open(options: SubstituterOptions): Promise<Substituter> {
    const substituter = new Substituter(options);
    substituter.#server.listen(0, "127.0.0.1");
    await once(substituter.#server, "listening");
    return substituter;
  }

  private constructor(options: SubstituterOptions) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "";
    if (path === "/nix-cache-info") return void response.end(INFO);
    const key = v.safeParse(CacheKeySchema, `cache${path}`);
    if (!key.success || !["GET", "HEAD"].includes(request.method ?? "")) return gone(response);
    if (performance.now() < this.#restsUntil) return gone(response);
    try {
      const file = await this.#file(key.output);
      if (file === undefined) return gone(response);
      const length = file.headers["content-length"];
      response.writeHead(200, length === undefined ? {} : { "content-length": length });
      if (request.method === "HEAD") {
        file.destroy();
        return void response.end();
      }
      await pipeline(file, response);
    } catch (error) {
      // Nix has closed the connection, since its build was ended.
      if ((error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE") return;
      this.#restsUntil = performance.now() + REST_MS;
      const { message } = error as Error;
      this.#options.logger.warn({ key: key.output, reason: message }, TROUBLE);
      if (response.headersSent) response.destroy();
      else gone(response);
    }
  }

  /** The file, or undefined when there is none. */
  async #file(key: string): Promise<IncomingMessage | undefined> {
    const { cache, http } = this.#options;
    const url = await cache.url(key, AbortSignal.timeout(ANSWER_MS));
    const given = new AbortController();
    const late = setTimeout(() => given.abort(new Error("no answer")), ANSWER_MS);
    const signal = AbortSignal.any([given.signal, AbortSignal.timeout(READ_MS)]);
    const response = await http.get(url, signal).finally(() => clearTimeout(late));
    const { statusCode } = response;
    if (statusCode === 200) return response;
    response.destroy();
    // S3 answers 403 for a missing object to those who may not list.
    if (statusCode === 404 || statusCode === 403) return undefined;
    throw new Error(`the bucket answered ${statusCode}`);
  }
}

const TROUBLE = "the farm's binary cache cannot be read: this origin builds by itself";

const gone = (response: ServerResponse): void => void response.writeHead(404).end();
