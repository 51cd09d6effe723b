/** More uploads at once than the bucket's server has descriptors: some are refused, and it goes on. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import type { S3Config } from "../../../edge/store/s3-client.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { signPut } from "../../../edge/store/s3-signed-requests.ts";
import type { Need } from "../../../origin/local/needs.ts";
import { unavailable } from "../../harness/available.ts";
import { cleanUp } from "../../harness/clean-up.ts";
import { startDaemon } from "../../harness/daemon.ts";
import { send } from "../../edge/registry/support.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";

const PRLIMIT: Need = { command: "prlimit", debian: "util-linux", purpose: "limits descriptors" };
const CREDENTIALS = { accessKeyId: "key", secretAccessKey: "secret", region: "auto" };
/** Node itself has some twenty. */
const DESCRIPTORS = 100;
/** All of them can connect, and not all of them can write a file. */
const UPLOADS = 60;

const SERVER = new URL("../../../origin/server/bucket-server.ts", import.meta.url).href;
const script = `
import { serveBucket } from ${JSON.stringify(SERVER)};
const server = await serveBucket({
  dir: process.argv[1],
  bucket: "firn",
  credentials: ${JSON.stringify(CREDENTIALS)},
  host: "127.0.0.1",
  port: 0,
  log: (line) => console.log(line),
});
console.log("at " + server.url);`;

/** Begins an upload on a connection, and does not end it; its answer, where there is one. */
async function beginUpload(
  socket: Socket,
  config: S3Config,
  number: number,
): Promise<{ said: () => string }> {
  const content = `content ${number}`;
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}` as const;
  const { url, headers } = await signPut(config, {
    digest,
    size: content.length,
    contentType: "application/octet-stream",
    ifAbsent: true,
  });
  const { host, pathname } = new URL(url);
  let said = "";
  socket.on("data", (chunk) => (said += String(chunk)));
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.write(`PUT ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${lines.join("\r\n")}\r\n\r\n`);
  socket.write(content.slice(0, 4));
  return { said: () => said };
}

test("more uploads at once than descriptors", { skip: await unavailable([PRLIMIT]) }, async (t) => {
  const atEnd = cleanUp(t);
  const dir = await tempDir("descriptors");
  atEnd(() => removeTree(dir));
  const limit = `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`;
  const command = [process.execPath, "--input-type=module", "--eval", script, dir] as const;
  const server = await startDaemon(["prlimit", limit, ...command], {}, async () => {
    const found = await readdir(join(dir, "incoming")).catch(() => null);
    return found !== null;
  });
  atEnd(() => server.stop());
  const endpoint = await until(
    "the server listening",
    () => /at (http\S+)/.exec(server.output())?.[1],
  );
  const config = { ...CREDENTIALS, endpoint, bucket: "firn" };
  const bucket = s3Bucket(config);
  const write = (key: string): Promise<boolean> =>
    bucket.put(key, "{}", { contentType: "application/json", ifAbsent: true });
  assert.equal(await write("before.json"), true);

  const { hostname, port } = new URL(endpoint);
  const sockets = Array.from({ length: UPLOADS }, () => connect(Number(port), hostname));
  atEnd(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  // Connections are accepted in their order, so the server has all of them when it answers this one.
  assert.equal((await send("GET", endpoint)).status, 403);
  const uploads = await Promise.all(
    sockets.map((socket, number) => beginUpload(socket, config, number)),
  );
  await until("some refused, because no descriptor is left", () =>
    uploads.some(({ said }) => said().startsWith("HTTP/1.1 503 ")),
  );
  for (const { said } of uploads) assert.match(said(), /^($|HTTP\/1\.1 503 )/);
  await until("the log naming what is short", () => server.output().includes("EMFILE"));

  for (const socket of sockets) socket.destroy();
  assert.equal(
    await until("a record written again", () => write("after.json").catch(() => undefined)),
    true,
  );
  assert.equal((await bucket.get("before.json"))?.size, 2);
  await until("nothing left of the uploads", async () => {
    return (await readdir(join(dir, "incoming"))).length === 0;
  });
  assert.deepEqual(
    (await bucket.list("", { limit: 10 })).objects.map(({ key }) => key),
    ["after.json", "before.json"],
  );
});
