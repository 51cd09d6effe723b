/**
 * Whether a host is a loopback address, which only this machine reaches. `host`: as a URL or
 * EDGE_HOST has it, with or without a port: `127.0.0.1:8787`, `localhost`, `[::1]:80`. 0.0.0.0 and
 * `::` stand for every address of a machine, so they are none.
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
