/** What the farm signs for an origin to store, and what it does not. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { digestOf } from "../../../../edge/contract/digest.ts";
import { blobPath } from "../../../../edge/contract/keys.ts";
import { CLOSE } from "../../../../edge/contract/messages.ts";
import {
  type BucketAnswer,
  type Grant,
  MAX_REQUESTED,
  MAX_UPLOAD_BYTES,
  type Upload,
} from "../../../../edge/contract/bucket-requests.ts";
import { sendSigned } from "../../../harness/send-signed.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { originKeys } from "../origins.ts";
import { hello, type RawOrigin, rawOrigin } from "../raw-origin.ts";
import { packageItems } from "../records.ts";

const GIB = 2 ** 30;
const PLAN = await digestOf("a layer plan");
let edge: FarmEdge;
before(async () => {
  edge = await startFarm({
    signs: true,
    times: { reconnect: 500 },
    vars: { ORIGINS: originKeys("a", "b"), UPLOADS_PER_DAY: "100G" },
  });
});
after(() => edge.stop());

let packages = 0;
/** A connected origin without credentials, and a job that it holds. */
async function withJob(name = "a"): Promise<{ origin: RawOrigin; job: string }> {
  const origin = await rawOrigin(edge, name);
  origin.say({ ...hello, ownBucket: false });
  await origin.heard("welcome");
  return { origin, job: await nextJob(origin) };
}
async function nextJob(origin: RawOrigin): Promise<string> {
  const plan = PLAN.slice("sha256:".length);
  void edge.ask(packageItems([`p${++packages}`], { plan })).catch(() => undefined);
  const { job } = await origin.heard("job");
  origin.say({ type: "accepted", job });
  return job;
}
/** Leaves without a job undone: an origin that loses too many is given one at a time. */
async function bye(origin: RawOrigin, ...jobs: string[]): Promise<void> {
  const failure = { reason: "failed", message: "no" };
  for (const job of jobs) {
    origin.say({ type: "failed", job, failure });
    await origin.heard("settled");
  }
  origin.say({ type: "bye" });
  origin.cut();
}

const uploadOf = async (text: string): Promise<Upload> => ({
  digest: await digestOf(text),
  size: text.length,
  contentType: "text/plain; charset=utf-8",
});
/** Blobs of a size that nobody has. */
const claimed = (count: number, size: number): Promise<Upload[]> =>
  Promise.all(
    Array.from({ length: count }, async (_, at) => ({
      ...(await uploadOf(`claimed ${count} ${size} ${at}`)),
      size,
    })),
  );
async function grants(origin: RawOrigin, job: string, blobs: readonly Upload[]): Promise<Grant[]> {
  origin.say({ type: "upload", id: "u", job, blobs });
  return (await origin.heard("uploads")).grants;
}
async function refusal(
  origin: RawOrigin,
  job: string,
  blobs: readonly Upload[],
): Promise<Extract<BucketAnswer, { type: "error" }>> {
  origin.say({ type: "upload", id: "u", job, blobs });
  return origin.heard("error");
}

test("a signed PUT for what the bucket lacks or has damaged, nothing for what it has", async () => {
  const { origin, job } = await withJob();
  const blobs = await Promise.all(["absent", "present", "damaged"].map(uploadOf));
  const [, stored, damaged] = blobs.map(({ digest }) => blobPath(digest));
  await edge.put(stored ?? "", "present");
  await edge.put(damaged ?? "", "dam");
  const granted = await grants(origin, job, blobs);
  assert.deepEqual(
    granted.map(({ kind }) => kind),
    ["put", "present", "put"],
  );
  for (const [at, text] of [
    [0, "absent"],
    [2, "damaged"],
  ] as const) {
    const grant = granted[at];
    assert.ok(grant?.kind === "put");
    assert.equal(await sendSigned(grant, `${text.slice(0, -1)}?`), "400 XAmzContentSHA256Mismatch");
    assert.equal(await sendSigned(grant, text), "200");
  }
  const present = { kind: "present" };
  assert.deepEqual(await grants(origin, job, blobs), [present, present, present]);
  assert.equal((await edge.logged("blob.damaged"))[0]?.["has"], 3);
  await bye(origin, job);
});

test("only for a job that the origin holds at this moment", async () => {
  const { origin, job } = await withJob("a");
  const other = await rawOrigin(edge, "b");
  other.say({ ...hello, ownBucket: false });
  await other.heard("welcome");
  const blobs = [await uploadOf("of another's job")];
  const refused = await refusal(other, job, blobs);
  assert.equal(refused.message, `this origin does not hold the job ${job}`);
  assert.equal(refused.passing, false);
  origin.say({ type: "failed", job, failure: { reason: "failed", message: "no" } });
  await origin.heard("settled");
  assert.match((await refusal(origin, job, blobs)).message, /does not hold the job/);
  await bye(other);
  await bye(origin);
});

test("a blob that no single PUT can hold is refused", async () => {
  const { origin, job } = await withJob();
  const blobs = await claimed(1, MAX_UPLOAD_BYTES + 1);
  const { message } = await refusal(origin, job, blobs);
  assert.match(message, new RegExp(`has ${MAX_UPLOAD_BYTES + 1} bytes; the most in one upload is`));
  await bye(origin, job);
});

test("what a job stores is limited, and what an origin stores in a day; others go on", async () => {
  const { origin, job } = await withJob("a");
  // 60 GiB of the job's 64, and of the day's 100.
  assert.equal((await grants(origin, job, await claimed(15, 4 * GIB))).length, 15);
  const more = await claimed(2, 4 * GIB - 1);
  assert.match(
    (await refusal(origin, job, more)).message,
    /^a job may store at most 68719476736 bytes$/,
  );
  assert.equal((await grants(origin, job, more.slice(0, 1))).length, 1, "what fits is signed");
  const next = await nextJob(origin);
  assert.match(
    (await refusal(origin, next, await claimed(10, 4 * GIB))).message,
    new RegExp(
      "^origin a may store at most 107374182400 bytes in a day " +
        "\\(UPLOADS_PER_DAY at the edge\\); the count starts again at 00:00 UTC$",
    ),
  );
  // The farm forgets none of it when its memory goes.
  await edge.evictFarm("hibernate");
  assert.match((await refusal(origin, next, await claimed(10, 4 * GIB))).message, /^origin a/);
  await bye(origin, job, next);
  const { origin: other, job: theirs } = await withJob("b");
  assert.equal((await grants(other, theirs, await claimed(10, 4 * GIB))).length, 10);
  await bye(other, theirs);
});

test("the layer plan of the job can be read, and nothing else", async () => {
  const { origin, job } = await withJob();
  await edge.put(blobPath(PLAN), "a layer plan");
  origin.say({ type: "read", id: "r", job, digest: PLAN });
  const { url } = await origin.heard("url");
  assert.equal(await (await fetch(url)).text(), "a layer plan");
  const other = await digestOf("absent");
  origin.say({ type: "read", id: "r", job, digest: other });
  const { message } = await origin.heard("error");
  assert.equal(message, `${other} is not the layer plan of this job`);
  await bye(origin, job);
});

test("a type that a browser would run, and more blobs than a request has, close the connection", async () => {
  const blob = await uploadOf("page");
  for (const blobs of [
    [{ ...blob, contentType: "text/html" }],
    Array(MAX_REQUESTED + 1).fill(blob),
  ]) {
    const { origin, job } = await withJob();
    origin.say({ type: "upload", id: "u", job, blobs });
    assert.equal(await origin.closed(), CLOSE.protocol);
  }
});
