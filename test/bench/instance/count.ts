/**
 * Counts what pulls of `shell/git/curl` ask of the bucket, at the real Worker: `node
 * test/bench/instance/count.ts`. The bucket is S3 behind a proxy that counts, and packages are made
 * up, of ten layers together. Workerd of one's own has no Cache API worth using, so every read is
 * counted.
 */
import { join } from "node:path";
import type { Seen } from "../../edge/registry/bucket-front.ts";
import { type FrontedEdge, startFrontedEdge } from "../../edge/pull/front.ts";
import { startOrigin } from "../../edge/registry/origin.ts";
import {
  type Answer,
  putBase,
  putPackage,
  putShell,
  putTag,
  REVISION,
  send,
} from "../../edge/registry/support.ts";

/** `PUT` and `LIST` are R2's class A, `GET` and `HEAD` class B. */
type Counts = Partial<Record<"GET" | "HEAD" | "PUT" | "LIST", number>>;

const kindOf = ({ method, key }: Seen): keyof Counts =>
  key === "" || key.includes("list-type") ? "LIST" : (method as keyof Counts);

/** Counts by kind what happens at the bucket during `work` and shortly after it. */
async function counted({ front }: FrontedEdge, work: () => Promise<unknown>): Promise<Counts> {
  const counts: Counts = {};
  front.before = (seen: Seen) => {
    // What was pulled: Analytics Engine counts it where that is bound.
    if (seen.key.startsWith("demand/")) return;
    const kind = kindOf(seen);
    counts[kind] = (counts[kind] ?? 0) + 1;
  };
  await work();
  await new Promise((resolve) => setTimeout(resolve, BEHIND));
  front.before = () => undefined;
  return counts;
}
/** What is done behind an answer, ms. */
const BEHIND = 1_000;

const get = async (url: string): Promise<Answer> => {
  const answer = await send("GET", url);
  if (answer.status >= 400) throw new Error(`${url}: ${answer.status} ${String(answer.body)}`);
  return answer;
};

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

/** What docker asks before it asks for blobs. */
async function manifest(url: string, name: string): Promise<Manifest> {
  await get(`${url}/v2/`);
  await send("HEAD", `${url}/v2/${name}/manifests/latest`);
  return JSON.parse(String((await get(`${url}/v2/${name}/manifests/latest`)).body)) as Manifest;
}

const blobs = (url: string, name: string, { config, layers }: Manifest): Promise<unknown> =>
  Promise.all([config, ...layers].map(({ digest }) => get(`${url}/v2/${name}/blobs/${digest}`)));

/** A second Worker, which knows nothing yet, over the bucket of the first. */
const freshIsolate = ({ firn, front }: FrontedEdge): Promise<FrontedEdge> => {
  const { bucket, region, accessKeyId, secretAccessKey } = firn.edge.s3;
  const s3 = {
    S3_ENDPOINT: front.endpoint,
    S3_BUCKET: bucket,
    S3_REGION: region,
    S3_ACCESS_KEY_ID: accessKeyId,
    S3_SECRET_ACCESS_KEY: secretAccessKey,
  };
  return startFrontedEdge(s3, WORKER);
};

const WORKER = join(import.meta.dirname, "worker.ts");
const edge = await startFrontedEdge({}, WORKER);
const { bucket, url } = edge.firn;
await putBase(bucket);
await putShell(bucket);
for (const name of ["git", "curl"]) await putPackage(bucket, { name });
await putTag(bucket, "latest", REVISION);

const rows: Record<string, Counts> = {};
const name = "shell/git/curl";
let found: Manifest | undefined;
rows["new combination, first isolate"] = await counted(edge, async () => {
  found = await manifest(url, name);
});
rows["hot, warm isolate"] = await counted(edge, () => manifest(url, name));
rows["hot, warm isolate, config and layers"] = await counted(edge, async () =>
  blobs(url, name, await manifest(url, name)),
);
const fresh = await freshIsolate(edge);
rows["hot, fresh isolate"] = await counted(edge, () => manifest(fresh.firn.url, name));
const other = await freshIsolate(edge);
rows["hot, fresh isolate, config and layers"] = await counted(edge, async () => {
  if (found !== undefined) await blobs(other.firn.url, name, found);
});
await other.stop();
rows["new combination, warm isolate"] = await counted(edge, () => manifest(url, "shell/git"));
await fresh.stop();

const origin = await startOrigin(edge.firn);
rows["cold package (of two layers)"] = await counted(edge, () => manifest(url, "jq"));
await origin.stop();
await edge.stop();

process.stdout.write(`${name}: ${found?.layers.length ?? 0} layers\n`);
// oxlint-disable-next-line no-console -- the answer of the script
console.table(rows);
