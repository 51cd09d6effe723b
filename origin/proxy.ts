/**
 * HTTP proxies, configured by the variables that curl and git read as well: HTTPS_PROXY for
 * https:// and wss://, HTTP_PROXY for http://, NO_PROXY for hosts that are reached directly. Node
 * ignores them unless told otherwise; `useProxy` does that once, when a command starts. From then
 * on `fetch` and the global agents use the proxy, and custom agents do if they are given `proxyEnv:
 * process.env`.
 *
 *   HTTPS_PROXY=proxy.example:3128
 *     wss://firn.example   CONNECT firn.example:443 at http://proxy.example:3128
 *     http://127.0.0.1     directly: this machine is never reached through a proxy
 *
 * A WebSocket without TLS (an edge at http:// in one's own network) is always opened directly: HTTP
 * proxies do not pass on upgraded connections.
 */
import { setGlobalProxyFromEnv } from "node:http";
import { CommandFailed } from "./commands/exit-codes.ts";

type Variables = Record<string, string | undefined>;

/** The lower-case spelling takes precedence, as with curl. */
const PROXIES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"];
const EXCEPTIONS = ["no_proxy", "NO_PROXY"];
/** This machine. fetch reads `[::1]`, and node:http reads `::1`. */
const LOOPBACK = "localhost,127.0.0.1,[::1],::1";

/** Makes this process and its children use the proxy of the environment, if one is set. */
export function useProxy(env: NodeJS.ProcessEnv): void {
  const found = proxyVariables(env);
  if (found === undefined) return;
  Object.assign(env, found);
  setGlobalProxyFromEnv(found);
}

/**
 * The variables for Node and for the programs that Firn starts; undefined when no proxy is set.
 * Throws a CommandFailed for a proxy that Node cannot use.
 */
export function proxyVariables(env: Readonly<Variables>): Record<string, string> | undefined {
  const set = PROXIES.flatMap((name) => (env[name] ? [[name, env[name]] as const] : []));
  if (set.length === 0) return undefined;
  const exceptions = EXCEPTIONS.map((name) => env[name]).find(Boolean);
  const noProxy = exceptions === undefined ? LOOPBACK : `${exceptions},${LOOPBACK}`;
  return {
    ...Object.fromEntries(set.map(([name, value]) => [name, proxyUrl(name, value)])),
    ...Object.fromEntries(EXCEPTIONS.map((name) => [name, noProxy])),
  };
}

/** The URL of a proxy; `proxy.example:3128` means `http://proxy.example:3128`, as with curl. */
function proxyUrl(name: string, value: string): string {
  const text = value.includes("://") ? value : `http://${value}`;
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ""))
    throw new CommandFailed(
      "usage",
      `${name} must be the URL of an HTTP proxy, http://HOST:PORT (SOCKS is not supported)`,
    );
  return text;
}
