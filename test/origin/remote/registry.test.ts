/** A registry's client against servers that misbehave: whom it tells its password, what it tries again. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { execa } from "execa";
import type { Credentials } from "../../../origin/remote/credentials.ts";
import { downloadBlob } from "../../../origin/remote/download.ts";
import { fetchManifest } from "../../../origin/remote/pull.ts";
import { Registry } from "../../../origin/remote/registry.ts";
import { soon } from "../../harness/soon.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { mountSmall, smallMountUnavailable } from "../disk/small-mount.ts";
import { temporary } from "../nix/support.ts";

const PASSWORD = { user: "snow", password: "secret" } satisfies Credentials;
const BASIC = `Basic ${Buffer.from("snow:secret").toString("base64")}`;

/** A server of the test's own; its port. */
async function serve(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const registryAt = (
  url: string,
  signal: AbortSignal,
  { credentials, retries = [] }: { credentials?: Credentials | undefined; retries?: string[] } = {},
): Registry =>
  new Registry({
    url: new URL(url),
    credentials,
    signal,
    onRetry: (message) => void retries.push(message),
  });

test("a registry with TLS that names an upload without it gets no password there", async (t) => {
  const heard: (string | undefined)[] = [];
  const port = await serve(t, (request, response) => {
    heard.push(request.headers.authorization);
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
  });
  const registry = registryAt(`https://127.0.0.1:${port}`, t.signal, { credentials: PASSWORD });
  const upload = new URL(`http://127.0.0.1:${port}/v2/a/blobs/uploads/1`);
  await assert.rejects(registry.send(upload, { method: "PUT", scopes: [] }), /answered 401/);
  assert.deepEqual(heard, [undefined]);
});

test("where the registry offers several ways to sign in, a token is taken before a password", async (t) => {
  const port = await serve(t, (request, response) => {
    const { authorization } = request.headers;
    if (request.url?.startsWith("/token") === true)
      return void response.end(JSON.stringify({ token: authorization === BASIC ? "good" : "bad" }));
    if (authorization === "Bearer good") return void response.end("{}");
    response
      .writeHead(401, {
        "www-authenticate": [
          "Negotiate",
          'Basic realm="Registry"',
          `Bearer realm="http://127.0.0.1:${port}/token",service="registry"`,
        ],
      })
      .end();
  });
  const registry = registryAt(`http://127.0.0.1:${port}`, t.signal, { credentials: PASSWORD });
  assert.equal((await registry.send("/v2/", { scopes: ["repository:a:pull"] })).status, 200);
});

test("Ctrl-C ends the wait for a token server that does not answer", async (t) => {
  const asked = Promise.withResolvers<void>();
  const port = await serve(t, (request, response) => {
    if (request.url?.startsWith("/token") === true) return asked.resolve();
    const realm = `Bearer realm="http://127.0.0.1:${port}/token"`;
    response.writeHead(401, { "www-authenticate": realm }).end();
  });
  const stop = new AbortController();
  const sent = registryAt(`http://127.0.0.1:${port}`, stop.signal).send("/v2/", { scopes: [] });
  sent.catch(() => undefined);
  await asked.promise;
  stop.abort(new Error("stopped"));
  await assert.rejects(soon("the end of the wait", sent), /stopped/);
});

for (const [what, url] of [
  ["a port that no client may use", "http://127.0.0.1:1"],
  ["a host that has no TLS", "https://127.0.0.1:PORT"],
] as const)
  test(`${what}: it is said at once, for no further attempt would help`, async (t) => {
    const port = await serve(t, (_, response) => response.end());
    const retries: string[] = [];
    const registry = registryAt(url.replace("PORT", String(port)), t.signal, { retries });
    await assert.rejects(registry.send("/v2/", { scopes: [] }), /cannot be reached/);
    assert.deepEqual(retries, []);
  });

test("a connection that is cut is tried again", async (t) => {
  let requests = 0;
  const port = await serve(t, (request, response) => {
    requests += 1;
    if (requests === 1) request.socket.destroy();
    else response.end("{}");
  });
  const retries: string[] = [];
  const registry = registryAt(`http://127.0.0.1:${port}`, t.signal, { retries });
  assert.equal((await registry.send("/v2/", { scopes: [] })).status, 200);
  assert.match(retries.join("\n"), /^127\.0\.0\.1:\d+ cannot be reached: .*; trying again$/);
});

test("a manifest that is cut off is told as such", async (t) => {
  const port = await serve(t, (_, response) => {
    response.writeHead(200, { "content-length": 100 });
    response.write("{", () => setTimeout(() => response.destroy(), 50));
  });
  await assert.rejects(
    fetchManifest(registryAt(`http://127.0.0.1:${port}`, t.signal), "git", "latest"),
    /127\.0\.0\.1:\d+ cut off the manifest latest/,
  );
});

test("a manifest without an end is given up when it is larger than any may be", async (t) => {
  let sent = 0;
  const port = await serve(t, (_, response) => {
    const chunk = Buffer.alloc(2 ** 20, " ");
    const more = (): void => {
      // Without a limit the client would take all of it.
      if (sent >= 64 * chunk.length) return void response.end("{}");
      sent += chunk.length;
      response.write(chunk, (error) => error == null && more());
    };
    more();
  });
  await assert.rejects(
    fetchManifest(registryAt(`http://127.0.0.1:${port}`, t.signal), "git", "latest"),
    /the manifest latest has more than 4194304 bytes/,
  );
  assert.ok(sent < 64 * 2 ** 20, `${sent} bytes were sent`);
});

const BLOB = Buffer.alloc(300_000, "snow");
const HEX = createHash("sha256").update(BLOB).digest("hex");
const DESCRIPTOR = { digest: `sha256:${HEX}`, size: BLOB.length } as const;

/** A server of BLOB that sends its first half and waits for `go`; what ranges it was asked for. */
async function serveHalf(t: TestContext, go: Promise<void>) {
  const halfSent = Promise.withResolvers<void>();
  const ranges: (string | undefined)[] = [];
  const port = await serve(t, (request, response) => {
    const { range } = request.headers;
    ranges.push(range);
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const rest = BLOB.subarray(from);
    response.writeHead(range === undefined ? 200 : 206, { "content-length": rest.length });
    if (ranges.length > 1) return void response.end(rest);
    response.write(rest.subarray(0, BLOB.length / 2), () => halfSent.resolve());
    void go.then(() => response.end(rest.subarray(BLOB.length / 2)));
  });
  return { url: `http://127.0.0.1:${port}`, ranges, halfSent: halfSent.promise };
}

const MODULE = (name: string): string =>
  JSON.stringify(new URL(`../../../origin/remote/${name}`, import.meta.url).href);
/** `node - URL PATH`: downloads BLOB. */
const DOWNLOAD = `
import { downloadBlob } from ${MODULE("download.ts")};
import { Registry } from ${MODULE("registry.ts")};
const [url, path] = process.argv.slice(-2);
const { signal } = new AbortController();
const registry = new Registry({ url: new URL(url), credentials: undefined, signal });
await downloadBlob(registry, "a", ${JSON.stringify(DESCRIPTOR)}, path, () => {});`;

test("two processes that download one blob into one directory at once do not meet", async (t) => {
  const directory = temporary(t);
  const path = join(directory, HEX);
  const go = Promise.withResolvers<void>();
  const server = await serveHalf(t, go.promise);
  const args = ["--input-type=module", "--eval", DOWNLOAD, "--", server.url, path];
  const other = execa(process.execPath, args, { reject: false, cancelSignal: t.signal });
  await server.halfSent;
  await until("the other process has written what it got", async () =>
    (await readdir(directory)).some((name) => name.endsWith(".part")),
  );
  await downloadBlob(registryAt(server.url, t.signal), "a", DESCRIPTOR, path, () => {});
  go.resolve();
  const { exitCode, stderr } = await other;
  assert.equal(exitCode, 0, stderr);
  assert.ok(BLOB.equals(await readFile(path)), "the blob is what its digest says");
  assert.deepEqual(server.ranges, [undefined, undefined]);
  assert.deepEqual(await readdir(directory), [HEX]);
});

const noMount = await smallMountUnavailable();
test("a full disk is told with the directory that lies on it", { skip: noMount }, async (t) => {
  const server = await serveHalf(t, Promise.resolve());
  const root = await tempDir("full");
  t.after(() => removeTree(root));
  const directory = join(root, "blobs");
  await mountSmall(directory, "4k");
  await writeFile(join(directory, "filler"), Buffer.alloc(4_096));
  const registry = registryAt(server.url, t.signal);
  const path = join(directory, HEX);
  await assert.rejects(
    downloadBlob(registry, "a", DESCRIPTOR, path, () => {}),
    new RegExp(`the disk of ${directory} is full \\(ENOSPC.*\\): free some space there`),
  );
  assert.ok(!(await readdir(directory)).includes(HEX));
});
