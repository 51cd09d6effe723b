/**
 * Garbage collection on one's own server, of which a process is killed in the middle of its
 * deletions: workerd, as a lack of memory does, or Node, which has the bucket. What images in use
 * need is there all the while, and the run ends all the same, with the rest deleted.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import pLimit from "p-limit";
import { blobPath, packagePath } from "../../../edge/contract/keys.ts";
import type { GcProgress } from "../../../edge/contract/housekeeping.ts";
import type { Bucket } from "../../../edge/store/bucket.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { ownPort } from "../../harness/ports.ts";
import type { Edge } from "../../../origin/server/edge.ts";
import { bundled } from "../../harness/bundle.ts";
import { soon } from "../../harness/soon.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { basic, withAccounts } from "../registry/accounts.ts";
import {
  digestOf,
  imagesOf,
  ORIGIN,
  putBase,
  putBlob,
  putPackage,
  putTag,
  REVISION,
  SCOPE,
  send,
} from "../registry/support.ts";
import { DAY, GRACE, keysOf } from "./support.ts";
import { tied } from "../../../origin/process-tie.ts";

const SERVE = fileURLToPath(new URL("fixtures/serve.ts", import.meta.url));
const USED = ["used0", "used1"];
/** Enough of each kind that not all are deleted in the moment between one of them and the kill. */
const UNUSED = Array.from({ length: 12 }, (_, n) => `unused${n}`);
const RUBBISH = 300;
const rubbish = Array.from({ length: RUBBISH }, (_, n) => new TextEncoder().encode(`rubbish ${n}`));

let stateDir: string;
let optionsFile: string;
let server: ChildProcess;
let url: string;
let bucket: Bucket;
/** How far the Worker's clock is ahead, milliseconds: its memory of that goes with it. */
let ahead = 0;

async function start(): Promise<void> {
  const [program, ...args] = tied("KILL", [process.execPath, SERVE, optionsFile]);
  server = spawn(program, args, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(server.stdout as NodeJS.ReadableStream);
  const [line] = (await soon("the edge listens", once(lines, "line"))) as [string];
  const edge = JSON.parse(line) as Pick<Edge, "url" | "s3">;
  url = edge.url;
  bucket = s3Bucket(edge.s3);
  if (ahead > 0) await send("POST", `${url}/test/clock?ms=${ahead}`);
}

async function pass(ms: number): Promise<void> {
  ahead += ms;
  await send("POST", `${url}/test/clock?ms=${ms}`);
}

/** Resolves when pulls that were answered are recorded. */
const recorded = async (): Promise<void> =>
  void (await until("the end of what goes on behind answers", async () => {
    const { body } = await send("GET", `${url}/test/behind`);
    return String(body) === "0";
  }));

type Victim = "node" | "workerd";

/** Neither outlives the other for long: workerd is tied to Node, which ends when workerd does. */
async function kill(victim: Victim): Promise<void> {
  const ended = once(server, "exit");
  if (victim === "node") server.kill("SIGKILL");
  else {
    const children = `/proc/${server.pid}/task/${server.pid}/children`;
    for (const pid of (await readFile(children, "utf8")).split(" ").filter(Boolean))
      process.kill(Number(pid), "SIGKILL");
  }
  await soon("the server is gone", ended);
}

before(async () => {
  stateDir = await tempDir("gc-killed");
  optionsFile = join(stateDir, "options.json");
  const options = {
    stateDir,
    port: await ownPort(),
    bucketPort: await ownPort(),
    site: false,
    module: bundled(fileURLToPath(new URL("../pull/worker.ts", import.meta.url))),
    env: {
      PACKAGE_SET: "starter",
      ORIGINS: JSON.stringify({ [ORIGIN.name]: { key: ORIGIN.publicKey } }),
      ...withAccounts({ root: { operator: true } }),
      LIMIT_REQUESTS: "off",
      LIMIT_IMAGES: "off",
    },
  };
  await writeFile(optionsFile, JSON.stringify(options));
  await start();
});
after(async () => {
  if (server?.exitCode === null && server.signalCode === null) await kill("node");
  await removeTree(stateDir);
});

/** A request of the operator's command, without its further attempts. */
async function gc(path: string): Promise<GcProgress> {
  const answer = await send("POST", `${url}/api/farm/gc${path}`, basic("root"));
  assert.equal(answer.status, 200, String(answer.body));
  return JSON.parse(String(answer.body)) as GcProgress;
}

/** One step of the run, when what it waits for is over; begins a run when there is none. */
async function step(): Promise<GcProgress> {
  const { run, waitMs } = await gc(`?unused=${20 * DAY}&grace=${GRACE}&delete=on`);
  if (waitMs > 0) await pass(waitMs);
  return gc(`/${run}`);
}

async function collect(): Promise<void> {
  while (!(await step()).done);
}

/** Collects until something under the prefix is deleted, and kills the server at once. */
async function killWhenDeleting(prefix: string, victim: Victim): Promise<void> {
  const watcher = watch(join(stateDir, "bucket", "objects", prefix), { recursive: true });
  const deleted = once(watcher, "change");
  const collecting = collect().then(
    () => assert.fail(`the run ended before anything in ${prefix} was deleted`),
    (error: unknown) => assert.ok(!(error instanceof assert.AssertionError), String(error)),
  );
  await soon(`something in ${prefix} is deleted`, Promise.race([deleted, collecting]));
  await kill(victim);
  await collecting;
  watcher.close();
  await start();
}

async function pulled(names: readonly string[]): Promise<Map<string, string>> {
  const digests = new Map<string, string>();
  for (const name of names) {
    const answer = await send("GET", `${url}/v2/${name}/manifests/latest`);
    assert.equal(answer.status, 200, `${name}: ${answer.body.toString()}`);
    const { layers } = JSON.parse(String(answer.body)) as { layers: { digest: string }[] };
    for (const { digest } of layers) {
      const { status } = await send("GET", `${url}/v2/${name}/blobs/${digest}`);
      assert.equal(status, 200, `${name}: ${digest}`);
    }
    digests.set(name, String(answer.headers["docker-content-digest"]));
  }
  return digests;
}

/** What is left of all that nothing in use needs. */
async function unusedLeft(): Promise<string[]> {
  const images = await Promise.all(UNUSED.map((name) => imagesOf(bucket, name)));
  const packages = new Set(UNUSED.map((name) => packagePath(SCOPE, name)));
  const blobs = new Set(rubbish.map((bytes) => blobPath(digestOf(bytes))));
  return [
    ...images.flat(),
    ...(await keysOf(bucket, "packages/")).filter((key) => packages.has(key)),
    ...(await keysOf(bucket, "blobs/")).filter((key) => blobs.has(key)),
  ];
}

test("garbage collection under kill -9", async () => {
  await putBase(bucket);
  await putTag(bucket, "latest", REVISION);
  for (const name of [...USED, ...UNUSED]) await putPackage(bucket, { name });
  const limit = pLimit(20);
  await Promise.all(rubbish.map((bytes) => limit(() => putBlob(bucket, bytes))));
  await pulled(UNUSED);
  await recorded();
  await pass(100 * DAY * 1_000);
  const digests = await pulled(USED);
  await recorded();
  // The first run condemns, the second deletes.
  await collect();
  const all = await unusedLeft();
  assert.ok(all.length >= 2 * UNUSED.length + RUBBISH, `${all.length} objects are unused`);
  await pass((GRACE + 60) * 1_000);

  const points: readonly (readonly [string, Victim])[] = [
    ["images", "node"],
    ["packages", "workerd"],
    ["blobs", "node"],
    ["blobs", "workerd"],
  ];
  for (const [prefix, victim] of points) {
    await killWhenDeleting(prefix, victim);
    assert.deepEqual(await pulled(USED), digests, `what is in use is whole after ${prefix}`);
  }
  await collect();
  assert.deepEqual(await unusedLeft(), []);
  assert.deepEqual(await pulled(USED), digests);
});
