/** Ports of this machine. */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** A free TCP port of `host`, chosen by the kernel. It is not reserved: use it at once. */
export const freePort = (host = "127.0.0.1"): Promise<number> => listenOnce(host, 0);

/**
 * Throws an Error for a person when this process cannot listen at the port, which `variable` sets.
 * (workerd would share a port that is in use, or report it less clearly.)
 */
export async function requirePort(host: string, port: number, variable = "PORT"): Promise<void> {
  try {
    await listenOnce(host, port);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === "EADDRINUSE"
        ? `port ${port} of ${host} is in use: stop what listens there, or choose another with ${variable}=…`
        : code === "EACCES"
          ? `this user may not listen on port ${port} of ${host}: choose one above 1023 with ${variable}=…`
          : `cannot listen on ${host}, port ${port}: ${message}`;
    throw new Error(reason, { cause: error });
  }
}

async function listenOnce(host: string, port: number): Promise<number> {
  const server = createServer().listen({ host, port, exclusive: true });
  await once(server, "listening");
  const { port: taken } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return taken;
}
