/**
 * Ports for servers that tests start. A port that the kernel chooses (port 0) is free until it is
 * told, and from then on anybody's: before the server listens, or while it is restarted, another
 * test's socket may be given it. So these lie where the kernel chooses none, and are held meanwhile:
 * by an abstract Unix socket (unix(7)) named after them, which the kernel gives to one process.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { requirePort } from "../../origin/local/ports.ts";

const LOOPBACK = "127.0.0.1";
/** Above what programs and tests name themselves. */
const LOWEST = 24_000;
/** Linux begins there to choose, unless it is told otherwise. */
const CHOSEN = 32_768;
/** So many must be below it, else those above are taken as well. */
const ENOUGH = 2_000;
const ATTEMPTS = 1_000;

/** A TCP port of 127.0.0.1 that no other test gets while this process lives. */
export async function ownPort(): Promise<number> {
  const end = await endOfRange();
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * (end - LOWEST));
    if (await hold(port)) return port;
  }
  throw new Error(`no port from ${LOWEST} to ${end - 1} is free, in ${ATTEMPTS} attempts`);
}

/** The first port that the kernel chooses by itself (ip(7), ip_local_port_range). */
async function endOfRange(): Promise<number> {
  const range = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8").catch(() => "");
  const first = Number.parseInt(range);
  return first >= LOWEST + ENOUGH ? first : CHOSEN;
}

/** Whether the port is free, and this process's own from now on. */
async function hold(port: number): Promise<boolean> {
  const holder = createServer();
  try {
    if (process.platform === "linux") {
      holder.listen(`\0firn-test-port-${port}`);
      await once(holder, "listening");
    }
    await requirePort(LOOPBACK, port);
  } catch {
    holder.close();
    return false;
  }
  holder.unref();
  return true;
}
