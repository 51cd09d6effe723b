/**
 * Where an edge may send an origin. The edge names the URLs at which an origin stores and reads
 * blobs, so a hostile one could have it send requests into the network that the origin is in. The
 * rule is that of browsers for pages (Private Network Access): nobody leads further in than they
 * are themselves.
 *
 *   the edge is       it may send the origin to
 *   on this machine   any address
 *   in a private      addresses of private networks and of the internet, not to this machine nor to
 *     network           a cloud's metadata service (169.254.169.254)
 *   on the internet   addresses of the internet; only by https, if the edge is reached by https
 *
 * BUCKET_HOSTS takes the place of the rule: these hosts, wherever they are, and no others.
 *
 * A name is judged by the addresses that it is resolved to for the connection, so no answer of DNS
 * gets around the rule. Behind a proxy only the proxy resolves names: there it is the proxy that
 * keeps its network closed, and addresses in URLs alone are judged here.
 */
import { lookup } from "node:dns";
import { isIP, type LookupFunction, type Socket } from "node:net";
import { type Space, SPACES, spaceOf } from "./address-space.ts";

/** The edge sends this origin where it may not. The message is for both operators. */
export class DestinationRefused extends Error {
  override name = "DestinationRefused";
}

/** How the edge itself is reached. */
export interface Reach {
  readonly space: Space;
  /** By TLS. */
  readonly secure: boolean;
}

const WHERE: Record<Space, string> = {
  machine: "on this machine or its platform",
  private: "in a private network",
  public: "on the internet",
};

/** The destinations of one edge. */
export class Destinations {
  readonly #hosts: readonly string[];
  readonly #proxies: ReadonlySet<string>;
  /** Until the edge is reached, the strictest. */
  #reach: Reach = { space: "public", secure: true };

  /** `hosts`: BUCKET_HOSTS, `host` or `host:port`. */
  constructor(hosts: readonly string[] = [], env: NodeJS.ProcessEnv = process.env) {
    this.#hosts = hosts;
    const urls = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"].map(
      (name) => env[name],
    );
    this.#proxies = new Set(urls.map((url) => URL.parse(url ?? "")?.hostname ?? ""));
  }

  /** The edge was reached. */
  edgeIsAt(reach: Reach): void {
    this.#reach = reach;
  }

  /** Throws a DestinationRefused; a name is judged when it is resolved. */
  check(text: string): URL {
    const url = URL.parse(text);
    if (url === null || !/^https?:$/.test(url.protocol) || url.username + url.password !== "")
      throw new DestinationRefused("the edge sends this origin to what is no plain URL of http(s)");
    if (this.#lists(url)) return url;
    if (this.#hosts.length > 0)
      throw new DestinationRefused(
        `the edge sends this origin to ${url.host}, which BUCKET_HOSTS does not list`,
      );
    const address = url.hostname.replace(/^\[|\]$/g, "");
    const space = this.#proxies.has(url.hostname) ? "machine" : spaceOf(address);
    const refusal = this.#refusal(url.host, space, url.protocol);
    // Of other names nothing is known yet.
    const judged = isIP(address) !== 0 || this.#proxies.has(url.hostname);
    if (judged && refusal !== undefined) throw refusal;
    return url;
  }

  /** Resolves names for connections by `protocol`, to the addresses that are allowed. */
  lookup(protocol: "http:" | "https:"): LookupFunction {
    return (hostname, options, callback) =>
      lookup(hostname, { ...options, all: true }, (error, found) => {
        if (error !== null) return callback(error, "");
        const free = this.#hosts.length > 0 || this.#proxies.has(hostname);
        const refusals = found.map(({ address }) =>
          free ? undefined : this.#refusal(hostname, spaceOf(address), protocol),
        );
        const allowed = found.filter((_, at) => refusals[at] === undefined);
        const [first] = allowed;
        if (first === undefined) return callback(refusals[0] ?? null, "");
        if (options.all) callback(null, allowed);
        else callback(null, first.address, first.family);
      });
  }

  #lists(url: URL): boolean {
    const port = url.port || (url.protocol === "https:" ? "443" : "80");
    return this.#hosts.some((host) => host === url.hostname || host === `${url.hostname}:${port}`);
  }

  #refusal(host: string, space: Space, protocol: string): DestinationRefused | undefined {
    const { space: from, secure } = this.#reach;
    const inward = SPACES.indexOf(space) < SPACES.indexOf(from);
    if (!inward && !(secure && space === "public" && protocol === "http:")) return undefined;
    const why = inward ? `${WHERE[space]}, while the edge is ${WHERE[from]}` : "without TLS";
    return new DestinationRefused(
      `the edge sends this origin to ${host}, ${why}: if that is its bucket, set BUCKET_HOSTS ` +
        `to ${host} at this origin`,
    );
  }
}

/**
 * Where the edge at `url` is, by the connection to it. `direct`: not through a proxy, which only
 * says where the proxy is.
 */
export function spaceOfEdge({ hostname }: URL, socket: Socket, direct: boolean): Space {
  const { remoteAddress = "", localAddress } = socket;
  const address = hostname.replace(/^\[|\]$/g, "");
  if (direct || remoteAddress === address)
    return remoteAddress === localAddress ? "machine" : spaceOf(remoteAddress);
  return isIP(address) === 0 ? "public" : spaceOf(address);
}
