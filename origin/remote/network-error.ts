/** Errors of Node's fetch: why a request got no answer. */

/** Codes of the system and of fetch for errors that may pass. */
const PASSING_CODES = new Set([
  "ECONNABORTED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_SOCKET",
]);

/**
 * Whether another attempt may succeed: not when nothing listens there, a certificate is not valid,
 * a proxy refuses, or the URL is not allowed.
 */
export const mayPass = (error: Error): boolean =>
  PASSING_CODES.has(String((innermost(error) as NodeJS.ErrnoException).code));

/** The first cause: fetch has the reason in the error's cause, or in the cause of that. */
const innermost = (error: Error): Error =>
  error.cause instanceof Error ? innermost(error.cause) : error;

/** The reason in a few words. */
export function reasonOf(error: Error): string {
  const { message, code, reason } = innermost(error) as NodeJS.ErrnoException & {
    /** OpenSSL's words, without its codes and files. */
    readonly reason?: string;
  };
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER") return "it does not speak TLS: is it plain HTTP?";
  if (reason !== undefined) return `TLS failed: ${reason}`;
  if (code === "UND_ERR_HEADERS_TIMEOUT") return "it gave no answer within 5 minutes";
  const status = /^Proxy response \((\d+)\)/.exec(message)?.[1];
  if (status !== undefined) return `the proxy of HTTPS_PROXY or HTTP_PROXY answered ${status}`;
  return message || String(code);
}
