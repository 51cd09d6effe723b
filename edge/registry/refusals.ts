/** Requests that no route takes. */
import { RegistryError, unsupported } from "../pull/errors.ts";

/**
 * Longest URL that is read, characters: a name of 255, a digest, and room for whatever query a
 * mirror adds.
 */
export const MAX_URL = 4_096;
const READS = "GET, HEAD";

/**
 * Throws 405 for every method but GET and HEAD below /v2 (nobody pushes here), and 414 for a URL
 * that no honest client sends. Nothing else, so the next handler goes on.
 */
export function refuseEarly(request: { readonly method: string; readonly url: string }): void {
  if (request.url.length > MAX_URL)
    throw new RegistryError({
      code: "UNSUPPORTED",
      status: 414,
      message: `the URL has ${request.url.length} characters; the most is ${MAX_URL}`,
    });
  if (request.method !== "GET" && request.method !== "HEAD")
    throw unsupported(
      `${request.method.slice(0, 20)} is not supported: this registry builds images, it takes none`,
      READS,
    );
}

/** 404 in the error JSON: a client that tries an address of another registry's API can read it. */
export function notFound(): never {
  throw new RegistryError({
    code: "UNSUPPORTED",
    status: 404,
    message:
      "there is nothing at this address: an image is at /v2/<name>/manifests/<tag>, its name the list of its packages",
  });
}
