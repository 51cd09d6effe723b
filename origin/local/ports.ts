/** Ports of this machine. */
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A free TCP port of `host`, chosen by the kernel. It is free again when this returns: take it at
 * once.
 */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string")
    throw new Error(`no TCP port to be had on ${host}`);
  return address.port;
}

/**
 * Throws, in words for a person, when nobody can listen there. workerd would share a port it cannot
 * have, or say so less clearly.
 */
export async function requirePort(host: string, port: number): Promise<void> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EADDRINUSE")
      throw new Error(
        `port ${port} of ${host} is in use: stop what listens there, or choose another with PORT=…`,
        { cause: error },
      );
    if (code === "EACCES")
      throw new Error(
        `this user may not listen on port ${port} of ${host}: choose one above 1023 with PORT=…`,
        { cause: error },
      );
    throw new Error(`cannot listen on ${host}, port ${port}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  server.close();
  await once(server, "close");
}
