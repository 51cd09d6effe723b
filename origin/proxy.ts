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

/** Of two spellings the lower-case one counts, as with curl. */
const PROXIES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"];
const EXCEPTIONS = ["no_proxy", "NO_PROXY"];
/** This machine: `npm start` and Nix's own helpers talk to themselves. Node's two halves read [::1] and ::1. */
const LOOPBACK = "localhost,127.0.0.1,[::1],::1";

/** Has this process, and those that it starts, go by the proxy of its environment; does nothing without one. */
export function useProxy(env: NodeJS.ProcessEnv): void {
  const found = proxyVariables(env);
  if (found === undefined) return;
  Object.assign(env, found);
  setGlobalProxyFromEnv(found);
}

/**
 * The variables as Node and the programs that Firn starts shall have them; undefined where no proxy
 * is set. Throws a CommandFailed for a proxy that Node could not use.
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

/** `proxy.example:3128` is an http:// URL, as it is to curl. */
function proxyUrl(name: string, value: string): string {
  const text = value.includes("://") ? value : `http://${value}`;
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? ""))
    throw new CommandFailed(
      "usage",
      `${name} must be the URL of an HTTP proxy, http://HOST:PORT (SOCKS is not supported)`,
    );
  return text;
}
