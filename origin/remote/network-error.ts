/** Why a request got no answer, as Node's fetch tells it. */

/** Codes of connections that fail for the moment, as the system and Node's fetch give them. */
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
 * Whether another attempt may do better. It would not where nobody listens, a certificate is not
 * valid, a proxy refuses, or fetch takes no such URL.
 */
export const mayPass = (error: Error): boolean =>
  PASSING_CODES.has(String((innermost(error) as NodeJS.ErrnoException).code));

/** What fetch says of a lost connection stands in its cause; of a proxy's answer, in that one's. */
const innermost = (error: Error): Error =>
  error.cause instanceof Error ? innermost(error.cause) : error;

/** In a few words, for a person. */
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
