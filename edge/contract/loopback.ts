/**
 * Whether a host is a loopback address, which only this machine can reach. `host`: as in a URL or
 * EDGE_HOST, with or without a port: `127.0.0.1:8787`, `localhost`, `[::1]:80`. 0.0.0.0 and `::`
 * stand for all addresses of a machine, so they do not count.
 */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, "");
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "[::1]" ||
    /^127(\.\d{1,3}){3}$/.test(name)
  );
}
