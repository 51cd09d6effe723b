/**
 * Garbage collection on one's own server, whose workerd is killed in the middle, again and again:
 * what images in use need is there, and a run that comes to its end has deleted all the rest.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { blobPath } from "../../../edge/contract/keys.ts";
import type { GcProgress } from "../../../edge/contract/housekeeping.ts";
import { type Bucket } from "../../../edge/store/bucket.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { freePort } from "../../../origin/local/ports.ts";
import { OperatorClient } from "../../../origin/operator/client.ts";
import { type Edge, startEdge } from "../../../origin/server/edge.ts";
import { bundled } from "../../harness/bundle.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { withAccounts } from "../registry/accounts.ts";
import {
  digestOf,
  ORIGIN,
  putBase,
  putBlob,
  putPackage,
  putTag,
  REVISION,
  send,
} from "../registry/support.ts";
import { DAY, everything, GRACE, PASSWORD } from "./support.ts";

/** Blobs that nothing names, and packages of which images are. */
const RUBBISH = 1_000;
const USED = Array.from({ length: 8 }, (_, n) => `used${n}`);
const KILLS = 4;
const TERMS = { unused: 20 * DAY, grace: GRACE, delete: true };

let stateDir: string;
let options: Parameters<typeof startEdge>[0];
let edge: Edge;
let bucket: Bucket;
let client: OperatorClient;
/** How far the Worker's clock is ahead, milliseconds: its memory of that goes with it. */
let ahead = 0;

async function start(): Promise<void> {
  edge = await startEdge(options);
  bucket = s3Bucket(edge.s3);
  client = new OperatorClient({ edge: new URL(edge.url), user: "root", password: PASSWORD });
  if (ahead > 0) await send("POST", `${edge.url}/test/clock?ms=${ahead}`);
}

async function pass(seconds: number): Promise<void> {
  ahead += seconds * 1_000;
  await send("POST", `${edge.url}/test/clock?ms=${seconds * 1_000}`);
}

/** As a lack of memory does. */
async function kill(): Promise<void> {
  const tasks = await readdir(`/proc/${process.pid}/task`);
  const lists = tasks.map((task) => readFile(`/proc/${process.pid}/task/${task}/children`, "utf8"));
  const children = (await Promise.all(lists)).join(" ").split(/\s+/).filter(Boolean);
  for (const pid of children)
    if ((await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim() === "workerd")
      process.kill(Number(pid), "SIGKILL");
  assert.equal(await edge.ended, "SIGKILL");
  await edge.stop();
}

before(async () => {
  stateDir = await tempDir("gc-killed");
  options = {
    stateDir,
    port: await freePort(),
    bucketPort: await freePort(),
    site: false,
    module: bundled(fileURLToPath(new URL("../pull/worker.ts", import.meta.url))),
    env: {
      PACKAGE_SET: "starter",
      ORIGINS: JSON.stringify({ [ORIGIN.name]: { key: ORIGIN.publicKey } }),
      ...withAccounts({ root: { operator: true } }),
      LIMIT_REQUESTS: "off",
      LIMIT_IMAGES: "off",
    },
    log: () => undefined,
  };
  await start();
});
after(async () => {
  await edge?.stop();
  await removeTree(stateDir);
});

/** One step, begun where the run stands; undefined where the server died under it. */
const step = async (): Promise<GcProgress | undefined> => {
  try {
    const run = await client.beginGc(TERMS);
    return await client.stepGc(run.run);
  } catch (error) {
    if (
      error instanceof Error &&
      /fetch failed|cannot be reached|ECONN/.test(`${error} ${String(error.cause)}`)
    )
      return undefined;
    throw error;
  }
};

async function toTheEnd(): Promise<GcProgress> {
  for (;;) {
    const run = await client.beginGc(TERMS);
    const progress = await client.stepGc(run.run);
    if (progress.done) return progress;
    if (progress.waitMs > 0) await pass(Math.ceil(progress.waitMs / 1_000));
  }
}

const pulled = async (): Promise<Map<string, string>> => {
  const digests = new Map<string, string>();
  for (const name of USED) {
    const answer = await send("GET", `${edge.url}/v2/${name}/manifests/latest`);
    assert.equal(answer.status, 200, `${name}: ${answer.body.toString()}`);
    const { layers } = JSON.parse(String(answer.body)) as { layers: { digest: string }[] };
    for (const { digest } of layers) {
      const { status } = await send("GET", `${edge.url}/v2/${name}/blobs/${digest}`);
      assert.equal(status, 200, `${name}: ${digest}`);
    }
    digests.set(name, String(answer.headers["docker-content-digest"]));
  }
  return digests;
};

test("garbage collection under kill -9", async () => {
  await putBase(bucket);
  await putTag(bucket, "latest", REVISION);
  for (const name of USED) await putPackage(bucket, { name });
  const rubbish = Array.from({ length: RUBBISH }, (_, n) =>
    new TextEncoder().encode(`rubbish ${n}`),
  );
  for (const bytes of rubbish) await putBlob(bucket, bytes);
  const isLeft = async (): Promise<number> => {
    const keys = new Set((await everything(bucket, "blobs/")).map(({ key }) => key));
    return rubbish.filter((bytes) => keys.has(blobPath(digestOf(bytes)))).length;
  };
  await pass(100 * DAY);
  const digests = await pulled();

  // The first run condemns, the second deletes.
  await toTheEnd();
  assert.equal(await isLeft(), RUBBISH);
  await pass(GRACE + 60);
  const seen: number[] = [];
  for (let time = 0; time < KILLS; time += 1) {
    for (let steps = 0; steps < time; steps += 1) await step();
    const interrupted = step();
    await new Promise((resolve) => setTimeout(resolve, 3 * time));
    await kill();
    await interrupted;
    await start();
    seen.push(await isLeft());
    assert.deepEqual(await pulled(), digests, "what is in use is whole");
  }
  const last = await toTheEnd();
  assert.equal(last.done, true);
  assert.equal(await isLeft(), 0, `after ${seen.join(", ")}`);
  assert.deepEqual(await pulled(), digests);
});
