/**
 * Routes other than images and blobs: `/v2/`, which clients request first (distribution spec,
 * "Determining Support"), `/` for people, and requests that no other route takes.
 */
import type { Env } from "../env.ts";
import { openContext } from "../pull/context.ts";
import { RegistryError, unsupported } from "../pull/errors.ts";
import { prepareBehind } from "../pull/prepare.ts";
import { API_VERSION } from "./headers.ts";

type Received = Pick<Request, "method" | "url">;

/**
 * Longest URL that is parsed, characters: a name of 255, a digest, and room for any query that a
 * mirror adds.
 */
const MAX_URL = 4_096;

const BASE_HEADERS = new Headers({
  ...API_VERSION,
  "Content-Type": "application/json",
  "Content-Length": "2",
});

/**
 * Prepares an isolate behind the answer to `/v2/`, whatever that is. Falls through to the next
 * route.
 */
export function prepare(request: Request, env: Env, ctx: ExecutionContext): void {
  prepareBehind(ctx, () => openContext(request, env, ctx));
}

/**
 * Answers `/v2/`. Docker's ping times out within seconds, so this waits for no configuration,
 * bucket or Durable Object.
 */
export function base({ method }: Received): Response {
  return new Response(method === "HEAD" ? null : "{}", { headers: BASE_HEADERS });
}

/** Explains how to pull. Plain text, since it repeats the host that the client sent. */
export function welcome({ method, url }: Received): Response {
  const { host } = new URL(url);
  const text = `This is Firn, a container registry whose images do not exist until somebody pulls them.

An image's name is the list of its packages, built with Nix at that moment:

  docker pull ${host}/shell/git/curl
  docker run --rm -it ${host}/shell/git/curl

"shell" brings bash and the usual tools; "arm64" builds for aarch64-linux.
`;
  return new Response(method === "HEAD" ? null : text, {
    headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
  });
}

/** Throws 414 for a URL that no real client sends. Falls through otherwise. */
export function refuseLong({ url }: Received): void {
  if (url.length > MAX_URL)
    throw new RegistryError({
      code: "UNSUPPORTED",
      status: 414,
      message: `the URL has ${url.length} characters; the most is ${MAX_URL}`,
    });
}

/** Throws 405 for every method but GET and HEAD: there is no push. Falls through otherwise. */
export function refuseWrites({ method }: Received): void {
  if (method !== "GET" && method !== "HEAD")
    throw unsupported(
      `${method.slice(0, 20)} is not supported: this registry builds its images itself and ` +
        `accepts no uploads`,
      "GET, HEAD",
    );
}

/**
 * `/v2/_catalog`, docker's list of a registry's names (not part of the distribution spec). Not
 * supported: every list of packages is a name here.
 */
export function noCatalog(): never {
  throw new RegistryError({
    code: "UNSUPPORTED",
    status: 404,
    message:
      "this registry has no catalog: an image's name is the list of its packages, in any " +
      "combination, and images are made when they are pulled",
  });
}

/** 404 as the error JSON, for clients that try an address of another registry's API. */
export function notFound(): never {
  throw new RegistryError({
    code: "UNSUPPORTED",
    status: 404,
    message:
      "there is nothing at this address: an image is at /v2/<name>/manifests/<tag>, where the " +
      "name is the list of its packages",
  });
}
