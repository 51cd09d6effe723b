/** The id of a request in the log. */

/** Cloudflare's id of a request, with the data centre: `8f2a4c1e9b7d6a53-FRA`. */
const CF_RAY = /^[0-9a-f]{16,32}(-[A-Z]{3})?$/;

interface Received {
  readonly headers: Pick<Headers, "get">;
  /** What Cloudflare says about it; `colo`: the data centre. */
  readonly cf?: unknown;
}

/**
 * Cloudflare's own id, under which its logs have the request too; elsewhere a random one, because
 * there anybody may send that header.
 */
export function requestIdOf({ headers, cf }: Received): string {
  const isOnCloudflare = (cf as { colo?: unknown } | undefined)?.colo !== undefined;
  const ray = isOnCloudflare ? headers.get("cf-ray") : null;
  return ray !== null && CF_RAY.test(ray) ? ray : crypto.randomUUID();
}
