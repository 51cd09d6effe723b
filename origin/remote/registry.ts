/**
 * Requests of a client to a registry. They are authorized when the registry asks for it, and
 * repeated after errors that may pass. Credentials are sent to the registry (scheme, host and
 * port), and to the token server that it names.
 */
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import { CommandFailed, kindOfAnswer } from "../commands/exit-codes.ts";
import { authorize, parseChallenge } from "./authorization.ts";
import type { Credentials } from "./credentials.ts";
import { mayPass, reasonOf } from "./network-error.ts";

export interface RegistryOptions {
  readonly url: URL;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
  /** Called with the reason when a request is repeated. */
  readonly onRetry?: (message: string) => void;
}

export interface RegistryRequest {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Blob | undefined;
  /** Scopes of the token for the request. */
  readonly scopes: readonly string[];
  /** Statuses that are no errors, beside those of success. */
  readonly allowed?: readonly number[];
  /** Whether it may be sent again; a request that moves an upload forward may not. */
  readonly repeatable?: boolean;
}

/** Further attempts at a request, and the first wait, ms, unless the registry sends Retry-After. */
const RETRIES = 5;
const FIRST_WAIT = 500;
/** Longest wait that a registry can ask for, ms. */
const LONGEST_WAIT = 60_000;
/** Longest part of an answer that an error shows, characters. */
const MAX_SHOWN = 500;
/** Statuses after which a request is repeated; an edge's 500 and 504 mean a failed build. */
const PASSING = new Set([408, 429, 502, 503]);

/** Scopes of tokens (distribution spec, token authentication). */
export const pullScope = (repository: string): string => `repository:${repository}:pull`;
export const pushScope = (repository: string): string => `repository:${repository}:pull,push`;

/** One registry. */
export class Registry {
  readonly #options: RegistryOptions;
  /** The latest Authorization header by scopes. */
  readonly #authorizations = new Map<string, string>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  get host(): string {
    return this.#options.url.host;
  }

  /**
   * Sends a request, and returns an answer of success, or an allowed one. `path` below the
   * registry, or a whole URL that it has given. Throws a CommandFailed for any other.
   */
  async send(path: string | URL, request: RegistryRequest): Promise<Response> {
    const url = new URL(path, this.#options.url);
    const { signal, onRetry } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const more = attempt < RETRIES && request.repeatable !== false;
      let answer: Response | Error;
      try {
        answer = await this.#signedIn(url, request);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof CommandFailed) throw error;
        answer = error as Error;
      }
      if (answer instanceof Response) {
        if (answer.ok || request.allowed?.includes(answer.status)) return answer;
        const refused = await refusal(url, answer);
        if (!more || !PASSING.has(answer.status)) throw refused;
        onRetry?.(`${refused.message}; trying again`);
      } else {
        const message = `${url.host} cannot be reached: ${reasonOf(answer)}`;
        if (!more || !mayPass(answer)) throw new CommandFailed("later", message, { cause: answer });
        onRetry?.(`${message}; trying again`);
      }
      await sleep(waitOf(answer, attempt), undefined, { signal });
    }
  }

  async #signedIn(url: URL, request: RegistryRequest): Promise<Response> {
    const isOwn = url.origin === this.#options.url.origin;
    const scopes = [...request.scopes].sort();
    const key = scopes.join(" ");
    const known = isOwn ? this.#authorizations.get(key) : undefined;
    const answer = await this.#fetch(url, request, known);
    if (answer.status !== 401 || !isOwn) return answer;
    const challenge = parseChallenge(answer.headers.get("www-authenticate"));
    if (challenge === undefined) return answer;
    const authorization = await authorize(challenge, scopes, this.#options);
    if (authorization === undefined || authorization === known) return answer;
    await answer.body?.cancel();
    this.#authorizations.set(key, authorization);
    return this.#fetch(url, request, authorization);
  }

  /** fetch takes Authorization off where it is sent on to another host. */
  #fetch(
    url: URL,
    { method = "GET", headers = {}, body }: RegistryRequest,
    authorization: string | undefined,
  ): Promise<Response> {
    return fetch(url, {
      method,
      headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) },
      ...(body === undefined ? {} : { body }),
      signal: this.#options.signal,
    });
  }
}

const ErrorsSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    errors: v.pipe(
      v.array(v.object({ code: v.optional(v.string()), message: v.optional(v.string()) })),
      v.minLength(1),
    ),
  }),
);

async function refusal(url: URL, answer: Response): Promise<CommandFailed> {
  const text = await answer.text().catch(() => "");
  const parsed = v.safeParse(ErrorsSchema, text);
  const [first] = parsed.success ? parsed.output.errors : [];
  const said = (first?.message ?? first?.code ?? text).trim().slice(0, MAX_SHOWN);
  const hint = answer.status === 401 ? " (sign in with `docker login`)" : "";
  const words = said === "" ? answer.statusText : said;
  return new CommandFailed(
    kindOfAnswer(answer.status),
    `${url.host} answered ${answer.status}${hint}: ${words}`,
  );
}

/** The wait before the next attempt, ms: that of Retry-After, else doubled each time. */
function waitOf(answer: Response | Error, attempt: number): number {
  const asked =
    answer instanceof Response
      ? Number(answer.headers.get("retry-after") ?? Number.NaN)
      : Number.NaN;
  const own = FIRST_WAIT * 2 ** attempt * (0.5 + Math.random());
  return Math.min(LONGEST_WAIT, Number.isFinite(asked) ? asked * 1_000 : own);
}
