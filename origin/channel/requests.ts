/**
 * Requests of jobs to the edge (contract/messages.ts): every request has one answer. One that has
 * no answer when the connection is lost is sent again on the next one.
 */
import pRetry from "p-retry";
import { type FromOrigin } from "../../edge/contract/messages.ts";
import {
  type BucketAnswer,
  type BucketRequest,
  type CacheFile,
  type CacheRequest,
  type Grant,
  type KnownLayer,
  MAX_REQUESTED,
  type Upload,
} from "../../edge/contract/bucket-requests.ts";
import type { Digest } from "../../edge/contract/digest.ts";
import type { Destinations } from "./destinations.ts";

/** What a job may ask the edge. Throws a RequestError when there is no answer. */
export interface JobRequests {
  /** Identifies the edge, for callers that keep things separate by edge. */
  readonly edge: string;
  /** Where the URLs of its answers may lead. */
  readonly destinations: Destinations;
  /** How to store each of at most MAX_REQUESTED blobs. */
  uploads(blobs: readonly Upload[], signal: AbortSignal): Promise<readonly Grant[]>;
  /** What each of the layers was packed to. */
  layers(
    keys: readonly string[],
    zstd: boolean,
    signal: AbortSignal,
  ): Promise<readonly KnownLayer[]>;
  /** URL at which the layer plan with this digest can be read. */
  url(digest: Digest, signal: AbortSignal): Promise<string>;
}

/**
 * What the origin asks the edge for its Nix, independently of its jobs: the farm's binary cache.
 */
export interface CacheRequests {
  /** How to store a file. */
  store(file: CacheFile, signal: AbortSignal): Promise<Grant>;
  /** URL at which a file can be read, if it exists. */
  url(key: string, signal: AbortSignal): Promise<string>;
}

/** The edge refused a request, or did not answer it. */
export class RequestError extends Error {
  override name = "RequestError";
}

type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;
type Kind = Exclude<BucketAnswer["type"], "error">;
type AnswerOf<K extends Kind> = Extract<BucketAnswer, { type: K }>;

interface Pending {
  readonly request: BucketRequest | CacheRequest;
  readonly answered: (answer: BucketAnswer) => void;
}

/**
 * Longest wait for an answer, including lost connections, ms. By then the edge has given the job to
 * another origin.
 */
const ANSWER_MS = 120_000;
/** A request without an answer is sent again this often, ms: either may have got lost. */
const REPEAT_MS = 30_000;
/** How long a request that the edge cannot answer at the moment is repeated, ms, and how often. */
const PATIENCE_MS = 60_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;

/** The requests of one channel. */
export class Requests {
  readonly #edge: string;
  readonly #destinations: Destinations;
  readonly #send: (message: FromOrigin) => void;
  readonly #pending = new Map<string, Pending>();
  #count = 0;

  /** `send`: sends now or never. */
  constructor(edge: string, destinations: Destinations, send: (message: FromOrigin) => void) {
    this.#edge = edge;
    this.#destinations = destinations;
    this.#send = send;
  }

  /** `job`: returns the job for which a request is made. */
  of(job: () => string): JobRequests {
    const ask = <K extends Kind>(
      kind: K,
      request: Without<BucketRequest, "id" | "job">,
      signal: AbortSignal,
    ): Promise<AnswerOf<K>> =>
      this.#patiently(() => this.#ask(kind, { ...request, job: job() }, signal), signal);
    return {
      edge: this.#edge,
      destinations: this.#destinations,
      uploads: async (blobs, signal) => {
        const { grants } = await ask("uploads", { type: "upload", blobs: [...blobs] }, signal);
        return allOf(blobs, grants);
      },
      layers: async (keys, zstd, signal) => {
        const answers = await Promise.all(
          batches(keys).map(async (batch) => {
            const { layers } = await ask("layers", { type: "layers", keys: batch, zstd }, signal);
            return allOf(batch, layers);
          }),
        );
        return answers.flat();
      },
      url: async (digest, signal) => (await ask("url", { type: "read", digest }, signal)).url,
    };
  }

  readonly cache: CacheRequests = {
    store: async (file, signal) => {
      const ask = () => this.#ask("uploads", { type: "cache-store", file }, signal);
      const { grants } = await this.#patiently(ask, signal);
      return allOf([file], grants)[0] as Grant;
    },
    url: async (key, signal) => (await this.#ask("url", { type: "cache-read", key }, signal)).url,
  };

  answer(answer: BucketAnswer): void {
    this.#pending.get(answer.id)?.answered(answer);
  }

  /** Sends unanswered requests again on a new connection. */
  repeatAll(): void {
    for (const { request } of this.#pending.values()) this.#send(request);
  }

  #patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return pRetry(ask, {
      signal,
      retries: Infinity,
      maxRetryTime: PATIENCE_MS,
      minTimeout: FIRST_WAIT_MS,
      maxTimeout: LONGEST_WAIT_MS,
      randomize: true,
      shouldRetry: ({ error }) => error instanceof PassingError,
    });
  }

  async #ask<K extends Kind>(
    kind: K,
    unnumbered: Without<BucketRequest | CacheRequest, "id">,
    signal: AbortSignal,
  ): Promise<AnswerOf<K>> {
    signal.throwIfAborted();
    const id = String(++this.#count);
    const request: BucketRequest | CacheRequest = { ...unnumbered, id };
    const { promise, resolve, reject } = Promise.withResolvers<BucketAnswer>();
    const late = (): void =>
      reject(new RequestError(`the edge did not answer ${request.type} in ${ANSWER_MS / 1_000} s`));
    const timer = setTimeout(late, ANSWER_MS);
    const left = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", left, { once: true });
    this.#pending.set(id, { request, answered: resolve });
    this.#send(request);
    const repeats = setInterval(() => this.#send(request), REPEAT_MS);
    try {
      const answer = await promise;
      if (answer.type === "error")
        throw new (answer.passing ? PassingError : RequestError)(
          `the edge does not answer ${request.type}: ${answer.message}`,
        );
      if (answer.type !== kind)
        throw new RequestError(`the edge answered ${request.type} with ${answer.type}`);
      return answer as AnswerOf<K>;
    } finally {
      this.#pending.delete(id);
      clearTimeout(timer);
      clearInterval(repeats);
      signal.removeEventListener("abort", left);
    }
  }
}

/** The edge cannot answer now; it may in a while. */
class PassingError extends RequestError {}

function batches<T>(all: readonly T[]): T[][] {
  const found: T[][] = [];
  for (let at = 0; at < all.length; at += MAX_REQUESTED)
    found.push(all.slice(at, at + MAX_REQUESTED));
  return found;
}

function allOf<T>(asked: readonly unknown[], answers: readonly T[]): readonly T[] {
  if (asked.length !== answers.length)
    throw new RequestError(`the edge gave ${answers.length} answers to ${asked.length} questions`);
  return answers;
}
