/**
 * The one place where errors become answers: the distribution spec's JSON ("Error Codes"), as
 * application/json, without the body for HEAD.
 */
import { ConfigError } from "../bucket-config.ts";
import { InvalidName } from "../contract/names.ts";
import { InvalidRecord } from "../contract/records.ts";
import { nameInvalid, RegistryError, unavailable } from "../pull/errors.ts";
import { BlobsLost } from "../store/blobs.ts";
import { BucketUnavailable, isRefused } from "../store/bucket.ts";
import { note } from "../log.ts";
import { API_VERSION, reasonPhrase, warning } from "./headers.ts";

/**
 * The response for anything thrown while a request was answered. What is not the client's fault is
 * logged here, once.
 */
export function errorResponse(error: unknown, request: Request): Response {
  const shown = error instanceof RegistryError ? error : translated(error);
  if (shown.cause !== undefined) log(shown, shown.cause, request);

  const { code, detail } = shown;
  // One line, shown as it is: part of it may be what the client sent, and a terminal shows it.
  const message = shown.message.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, "?");
  const body = JSON.stringify({
    errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }],
  });
  const headers = new Headers({
    ...shown.headers,
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
    ...API_VERSION,
    // No cache may keep an error: a package may appear, an origin may come back.
    "Cache-Control": "no-store",
  });
  const init = { status: shown.status, statusText: reasonPhrase(message), headers };
  if (request.method !== "HEAD") return new Response(body, init);
  // An answer to HEAD has no body: this header carries the message.
  headers.set("Warning", warning(message));
  headers.set("Content-Length", String(new TextEncoder().encode(body).length));
  return new Response(null, init);
}

/** Retry-After when a blob is still lost after an origin has made it again, seconds. */
const LOST_RETRY_SECONDS = 30;
/** Retry-After when the bucket refuses: it is full, or its credentials are wrong, seconds. */
const REFUSED_RETRY_SECONDS = 30;
/** Retry-After when the bucket stays unreachable, seconds. */
const BUCKET_RETRY_SECONDS = 5;

/**
 * What the runtime says about a Durable Object that it had to stop: its disk is full or failing, or
 * no reason.
 */
const RUNTIME_FAILED = /internal error; reference = \w+|\bSQLITE_(FULL|IOERR)\b/;

/** Whether the runtime marks an error as one of a Durable Object that it has reset, or cannot reach. */
const isOfRuntime = (error: unknown): boolean =>
  error instanceof Error &&
  ("durableObjectReset" in error || "overloaded" in error || "retryable" in error);

/**
 * The client's error for an error of another room. An unexpected error is logged under a random id,
 * and the client gets only that id.
 */
function translated(error: unknown): RegistryError {
  if (error instanceof InvalidName) return nameInvalid(error.message, error.detail);
  if (error instanceof BlobsLost)
    return passing(
      "the registry's storage has lost a part of this image, and it has not been rebuilt yet; " +
        "try again in half a minute",
      LOST_RETRY_SECONDS,
      error,
    );
  if (isRefused(error))
    return passing(
      "the registry's storage refuses requests at the moment, it may be full; its operator's log " +
        "says why; try again in half a minute",
      REFUSED_RETRY_SECONDS,
      error as Error,
    );
  if (error instanceof BucketUnavailable)
    return passing(
      "the registry's storage does not answer at the moment; try again in a few seconds",
      BUCKET_RETRY_SECONDS,
      error,
    );
  if (RUNTIME_FAILED.test(String(error)) || isOfRuntime(error))
    return passing(
      "a part of this registry is unavailable at the moment; try again in a few seconds",
      BUCKET_RETRY_SECONDS,
      error,
    );
  if (error instanceof ConfigError)
    return new RegistryError({
      code: "UNKNOWN",
      status: 500,
      message:
        "this registry is not configured correctly; its operator finds the reason in its log",
      cause: error,
    });
  const id = crypto.randomUUID();
  const what =
    error instanceof InvalidRecord
      ? "this registry's records of this image's packages are inconsistent"
      : "internal error";
  return new RegistryError({
    code: "UNKNOWN",
    status: 500,
    message: `${what}; please tell the registry's operator this id: ${id}`,
    detail: { id },
    cause: error,
  });
}

/** UNAVAILABLE (503), with the cause for the log. */
const passing = (message: string, retryAfter: number, cause: unknown): RegistryError =>
  Object.assign(unavailable(message, retryAfter), { cause });

function log(shown: RegistryError, cause: unknown, request: Request): void {
  note("error", "request.failed", {
    method: request.method,
    url: request.url.slice(0, LOGGED_URL),
    status: shown.status,
    code: shown.code,
    message: shown.message,
    cause: describe(cause),
  });
}

/** Longest part of a URL that is logged, characters. */
const LOGGED_URL = 500;
/** Deepest chain of causes that is logged. */
const MAX_CAUSES = 5;

/** An error with its stack and its causes. */
function describe(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  return {
    error: error.stack ?? String(error),
    ...(error.cause === undefined || depth === MAX_CAUSES
      ? {}
      : { cause: describe(error.cause, depth + 1) }),
  };
}
