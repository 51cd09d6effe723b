/**
 * A web server on 127.0.0.1 that serves a directory by HTTP and by TLS, with a certificate of its
 * own authority that nobody trusts yet.
 */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { execa } from "execa";
import type { Need } from "../../origin/local/needs.ts";

export const OPENSSL: Need = {
  command: "openssl",
  debian: "openssl",
  purpose: "makes certificates for tests",
};

export interface WebServer {
  readonly http: string;
  readonly https: string;
  /** File with the authority's certificate, PEM. */
  readonly authority: string;
  close(): Promise<void>;
}

/** Serves `directory`; keys and certificates are made in `work`. */
export async function startWebServer(directory: string, work: string): Promise<WebServer> {
  const { authority, key, cert } = await makeCertificates(work);
  const handle = (request: IncomingMessage, response: ServerResponse): void =>
    void serveFile(directory, request, response);
  const servers = [
    createServer(handle),
    createTlsServer({ key: await readFile(key), cert: await readFile(cert) }, handle),
  ] as const;
  const [http = 0, https = 0] = await Promise.all(servers.map(listen));
  return {
    http: `http://127.0.0.1:${http}`,
    https: `https://127.0.0.1:${https}`,
    authority,
    async close() {
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

async function serveFile(
  directory: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const file = join(directory, normalize(pathname));
  const found = await stat(file).catch(() => null);
  if (found === null || !found.isFile()) return void response.writeHead(404).end();
  response.writeHead(200, { "content-length": found.size });
  createReadStream(file).pipe(response);
}

/** An authority, and a certificate for 127.0.0.1 and `names` signed by it; files in `work`. */
export async function makeCertificates(
  work: string,
  names: readonly string[] = [],
): Promise<{ authority: string; key: string; cert: string }> {
  await mkdir(work, { recursive: true });
  const path = (name: string): string => join(work, name);
  const openssl = (...args: string[]) => execa("openssl", args, { cwd: work, stdin: "ignore" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...newKey,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-subj",
    "/CN=Firn test authority",
    "-days",
    "2",
    "-addext",
    "basicConstraints=critical,CA:TRUE",
  );
  await openssl(
    "req",
    "-new",
    ...newKey,
    "-keyout",
    "server.key",
    "-out",
    "server.csr",
    "-subj",
    "/CN=127.0.0.1",
  );
  await writeFile(
    path("server.ext"),
    `subjectAltName=${["IP:127.0.0.1", ...names.map((name) => `DNS:${name}`)].join(",")}\n` +
      "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n",
  );
  await openssl(
    "x509",
    "-req",
    "-in",
    "server.csr",
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-out",
    "server.crt",
    "-days",
    "2",
    "-extfile",
    "server.ext",
  );
  return { authority: path("ca.crt"), key: path("server.key"), cert: path("server.crt") };
}
