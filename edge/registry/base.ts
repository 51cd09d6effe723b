/**
 * The addresses that say what this is: `/v2/`, which clients try first (distribution spec,
 * "Determining Support"), and `/` for people.
 */

export const API_VERSION = { "Docker-Distribution-API-Version": "registry/2.0" } as const;

const BASE_HEADERS = new Headers({
  ...API_VERSION,
  "Content-Type": "application/json",
  "Content-Length": "2",
});

/**
 * Docker's ping times out in seconds, so this waits for nothing: no configuration, no bucket, no
 * object.
 */
export function base(request: { readonly method: string }): Response {
  return new Response(request.method === "HEAD" ? null : "{}", { headers: BASE_HEADERS });
}

/**
 * How to pull, as plain text: nothing in it can be taken for HTML, whatever host the client claimed
 * to ask.
 */
export function welcome(request: { readonly method: string; readonly url: string }): Response {
  const { host } = new URL(request.url);
  const text = `This is Firn, a container registry whose images do not exist until somebody pulls them.

An image's name is the list of its packages, built with Nix at that moment:

  docker pull ${host}/shell/git/curl
  docker run --rm -it ${host}/shell/git/curl

"shell" brings bash and the usual tools; "arm64" builds for aarch64-linux.
`;
  return new Response(request.method === "HEAD" ? null : text, {
    headers: { "Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff" },
  });
}
