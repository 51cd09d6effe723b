/**
 * RegistryError, the error type of all answers to clients; registry/errors.ts renders it as the
 * distribution spec's JSON (`{"errors":[{code,message,detail}]}`). `message` is one line for a
 * person: what was asked, what was found, what to do. `detail` is data for programs. `headers` go
 * onto the response. An error with a `cause` is the registry's own fault and is logged.
 */

/**
 * Codes of the distribution spec 1.1 ("Error Codes"), and UNKNOWN, UNAVAILABLE and RANGE_INVALID,
 * which docker's registry adds.
 */
export type ErrorCode =
  | "NAME_INVALID"
  | "DIGEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "BLOB_UNKNOWN"
  | "RANGE_INVALID"
  | "UNAUTHORIZED"
  | "DENIED"
  | "UNSUPPORTED"
  | "TOOMANYREQUESTS"
  | "UNAVAILABLE"
  | "UNKNOWN";

export interface ErrorFields {
  readonly code: ErrorCode;
  /** HTTP status. */
  readonly status: number;
  readonly message: string;
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class RegistryError extends Error {
  override readonly name = "RegistryError";
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor({ code, status, message, detail, headers, cause }: ErrorFields) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.headers = headers ?? {};
  }
}

/** 400: the image name breaks a rule. */
export const nameInvalid = (message: string, detail?: unknown): RegistryError =>
  new RegistryError({ code: "NAME_INVALID", status: 400, message, detail });
/** 400: not a digest that this registry can have made. */
export const digestInvalid = (message: string, detail?: unknown): RegistryError =>
  new RegistryError({ code: "DIGEST_INVALID", status: 400, message, detail });
/** 404: no such package, tag, manifest digest, or no manifest of an accepted media type. */
export const manifestUnknown = (message: string, detail?: unknown): RegistryError =>
  new RegistryError({ code: "MANIFEST_UNKNOWN", status: 404, message, detail });
/** 404: no such blob. */
export const blobUnknown = (message: string, detail?: unknown): RegistryError =>
  new RegistryError({ code: "BLOB_UNKNOWN", status: 404, message, detail });
/**
 * 500: the package refuses to evaluate, its build failed, or what an origin published is
 * inconsistent.
 */
export const unknown = (message: string, detail?: unknown): RegistryError =>
  new RegistryError({ code: "UNKNOWN", status: 500, message, detail });
/** 504: the build ran into its limit. */
export const timedOut = (message: string, detail?: unknown): RegistryError =>
  new RegistryError({ code: "UNKNOWN", status: 504, message, detail });
/** 401: signing in may help; `challenge` says how (the WWW-Authenticate header). */
export const unauthorized = (message: string, challenge: string): RegistryError =>
  new RegistryError({
    code: "UNAUTHORIZED",
    status: 401,
    message,
    headers: { "WWW-Authenticate": challenge },
  });
/** 403: the registry's policy, or the caller's account, does not allow it. */
export const denied = (message: string, detail?: unknown): RegistryError =>
  new RegistryError({ code: "DENIED", status: 403, message, detail });
/** 429: a client's limit is used up; try again after `retryAfter` seconds. */
export const tooManyRequests = (
  message: string,
  retryAfter: number,
  detail: unknown,
): RegistryError =>
  new RegistryError({
    code: "TOOMANYREQUESTS",
    status: 429,
    message,
    detail,
    headers: { "Retry-After": String(retryAfter) },
  });
/** 405: every write, and every method that the route does not have; `allow` lists those it has. */
export const unsupported = (message: string, allow: string): RegistryError =>
  new RegistryError({ code: "UNSUPPORTED", status: 405, message, headers: { Allow: allow } });
/** 503: no origin, queue full, or still building; try again after `retryAfter` seconds. */
export const unavailable = (message: string, retryAfter: number, detail?: unknown): RegistryError =>
  new RegistryError({
    code: "UNAVAILABLE",
    status: 503,
    message,
    detail,
    headers: { "Retry-After": String(Math.ceil(retryAfter)) },
  });
/** 416: no part of the range lies within an object of `size` bytes (RFC 9110, section 15.5.17). */
export const rangeInvalid = (size: number): RegistryError =>
  new RegistryError({
    code: "RANGE_INVALID",
    status: 416,
    message: `the requested range is outside the blob, which has ${size} bytes`,
    headers: { "Content-Range": `bytes */${size}` },
  });
