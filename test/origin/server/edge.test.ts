import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { startEdge } from "../../../origin/server/edge.ts";
import { startOwnEdge } from "../../harness/start-edge.ts";
import { bundled } from "../../harness/bundle.ts";
import { canTie } from "../../../origin/process-tie.ts";
import { until } from "../../harness/until.ts";

const STARTER = new URL("../../../origin/server/edge.ts", import.meta.url).href;
const module = bundled(fileURLToPath(new URL("fixtures/worker.js", import.meta.url)));
let stateDir: string;
before(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "firn-edge-"));
});
after(() => rm(stateDir, { recursive: true, force: true }));

test("the edge's variables, bucket and Durable Objects survive a restart", async () => {
  const first = await startOwnEdge({ stateDir, module, env: { PACKAGE_SET: "starter" } });
  try {
    const env = (await (await fetch(`${first.url}/env`)).json()) as Record<string, string>;
    assert.equal(env["PACKAGE_SET"], "starter");
    assert.equal(env["EDGE_HOST"], new URL(first.url).host);
    assert.equal(env["S3_ENDPOINT"], first.s3.endpoint);

    const { accessKeyId, secretAccessKey } = first.s3;
    const s3 = new S3Client({
      endpoint: first.s3.endpoint,
      region: first.s3.region,
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
    await s3.send(
      new PutObjectCommand({ Bucket: first.s3.bucket, Key: "greeting", Body: "from S3" }),
    );
    s3.destroy();
    assert.equal(await (await fetch(`${first.url}/greeting`)).text(), "from S3");
    assert.equal(await (await fetch(`${first.url}/farm`)).json(), 1);
    assert.equal(await (await fetch(`${first.url}/build`)).json(), 1);
  } finally {
    await first.stop();
  }

  const second = await startOwnEdge({
    stateDir,
    module,
    env: {},
    beside: { constant: 'export default { fetch: () => new Response("beside") }' },
  });
  try {
    assert.deepEqual(
      [second.s3.accessKeyId, second.s3.secretAccessKey],
      [first.s3.accessKeyId, first.s3.secretAccessKey],
    );
    assert.equal(await (await fetch(`${second.url}/greeting`)).text(), "from S3");
    assert.equal(await (await fetch(`${second.url}/farm`)).json(), 2);
    assert.equal(await (await fetch(second.beside["constant"] ?? "")).text(), "beside");
  } finally {
    await second.stop();
  }
  await assert.rejects(fetch(second.url), "the edge still listens after stop()");
});

test("the bucket's credentials are for their owner's eyes only", async () => {
  assert.equal((await stat(join(stateDir, "bucket-credentials.json"))).mode & 0o777, 0o600);
});

test("a port in use is named, with the way out", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as { port: number };
    await assert.rejects(
      startEdge({ stateDir, module, port, env: {} }),
      new RegExp(`port ${port} of 127.0.0.1 is in use.*PORT=`),
    );
  } finally {
    server.close();
  }
});

test(
  "workerd dies with a parent that is killed",
  { skip: canTie ? false : "needs setpriv and setsid of util-linux" },
  async () => {
    const script = `
    import { startEdge } from ${JSON.stringify(STARTER)};
    const edge = await startEdge({ stateDir: process.argv[1], module: process.argv[2], env: {} });
    process.stdout.write(process.pid + " " + edge.url);`;
    const parent = spawn(
      process.execPath,
      ["--input-type=module", "--eval", script, stateDir, module],
      {
        stdio: ["ignore", "pipe", "inherit"],
        // Miniflare's temporary files stay when it is killed: they go with the test's own
        // directory.
        env: { ...process.env, TMPDIR: stateDir },
      },
    );
    const [chunk] = (await once(parent.stdout, "data")) as [Buffer];
    const [pid, url] = chunk.toString().split(" ") as [string, string];
    const children = (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8"))
      .trim()
      .split(" ")
      .map(Number);
    assert.equal((await fetch(`${url}/farm`)).status, 200);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    await until(
      "workerd ended",
      async () => !(await Promise.all(children.map(isAlive))).includes(true),
    );
    await assert.rejects(fetch(url));
  },
);

/** A zombie has ended; its parent may not be there to collect it. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/\) Z /.test(stat);
}
