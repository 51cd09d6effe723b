/**
 * The one place where errors become answers: the distribution spec's JSON ("Error Codes"), as
 * application/json, which HEAD gets without its body.
 */
import { ConfigError } from "../config.ts";
import { InvalidName } from "../contract/names.ts";
import { InvalidRecord } from "../contract/records.ts";
import { nameInvalid, RegistryError } from "../pull/errors.ts";
import { BucketUnavailable } from "../store/retry.ts";
import { warning } from "./warning.ts";

/**
 * Anything thrown while a request was answered, as an answer. What is the edge's own trouble is
 * logged here, once.
 */
export function errorResponse(error: unknown, request: Request): Response {
  const shown = error instanceof RegistryError ? error : translated(error);
  if (shown.cause !== undefined) log(shown, shown.cause, request);

  const { code, message, detail } = shown;
  const body = JSON.stringify({
    errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }],
  });
  const headers = new Headers({
    ...shown.headers,
    "Content-Type": "application/json",
    "Docker-Distribution-API-Version": "registry/2.0",
    // An error passes: a package appears, an origin comes back. No cache may keep it.
    "Cache-Control": "no-store",
  });
  if (request.method !== "HEAD") return new Response(body, { status: shown.status, headers });
  // Docker asks by HEAD first and would show a bare status: the header carries the words.
  headers.set("Warning", warning(message));
  headers.set("Content-Length", String(new TextEncoder().encode(body).length));
  return new Response(null, { status: shown.status, headers });
}

/** Retry-After when the bucket stays unreachable, seconds. */
const BUCKET_RETRY_SECONDS = 5;

/**
 * The errors of the rooms below, as the client sees them. What nobody foresaw: the client gets an
 * id and no more, the log gets the rest under that id.
 */
function translated(error: unknown): RegistryError {
  if (error instanceof InvalidName) return nameInvalid(error.message, error.detail);
  if (error instanceof InvalidRecord) {
    const { message, detail } = error;
    return new RegistryError({ code: "UNKNOWN", status: 500, message, detail, cause: error });
  }
  if (error instanceof BucketUnavailable)
    return new RegistryError({
      code: "UNAVAILABLE",
      status: 503,
      message: "the registry's storage does not answer at the moment; try again in a few seconds",
      headers: { "Retry-After": String(BUCKET_RETRY_SECONDS) },
      cause: error,
    });
  if (error instanceof ConfigError)
    return new RegistryError({
      code: "UNKNOWN",
      status: 500,
      message: error.message,
      cause: error,
    });
  const id = crypto.randomUUID();
  return new RegistryError({
    code: "UNKNOWN",
    status: 500,
    message: `this registry made a mistake; its log tells more under ${id}`,
    detail: { id },
    cause: error,
  });
}

function log(shown: RegistryError, cause: unknown, request: Request): void {
  console.error(
    JSON.stringify({
      level: "error",
      event: "request.failed",
      method: request.method,
      url: request.url.slice(0, LOGGED_URL),
      status: shown.status,
      code: shown.code,
      message: shown.message,
      cause: describe(cause),
    }),
  );
}

/** Longest part of a URL that is logged, characters. */
const LOGGED_URL = 500;
/** Deepest chain of causes that is logged. */
const MAX_CAUSES = 5;

/** An error with its stack, and the errors behind it. */
function describe(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  return {
    error: error.stack ?? String(error),
    ...(error.cause === undefined || depth === MAX_CAUSES
      ? {}
      : { cause: describe(error.cause, depth + 1) }),
  };
}
