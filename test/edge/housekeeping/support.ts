/** An edge whose clock a test moves, and garbage collection as an operator's command drives it. */
import { fileURLToPath } from "node:url";
import type { GcProgress, GcTerms } from "../../../edge/contract/housekeeping.ts";
import type { Bucket, ListedObject } from "../../../edge/store/bucket.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { OperatorClient } from "../../../origin/operator/client.ts";
import { type EmulatedEdge, startEmulatedEdge } from "../../harness/emulated-edge.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { type FrontedEdge, startFrontedEdge } from "../pull/front.ts";
import { PASSWORD, withAccounts } from "../registry/accounts.ts";
import { ORIGIN, putBase, putTag, REVISION, send, type TestEdge } from "../registry/support.ts";
import { bundled } from "../../harness/bundle.ts";

export const DAY = 86_400;
export const GRACE = 3_600;

export interface KeptEdge {
  readonly firn: Pick<TestEdge, "url" | "bucket" | "log" | "logged">;
  /** As Cloudflare may at any time. */
  readonly evict: EmulatedEdge["evict"];
  readonly client: OperatorClient;
  /** Resolves when all that answers left to be done behind them is done: pulls are recorded. */
  recorded(): Promise<void>;
  /**
   * Moves the clocks of the Worker and of this process ahead. What would be done in that time is
   * done before: pulls are recorded a second after the answer, and no collection overtakes that.
   */
  advance(ms: number): Promise<void>;
  /** Seconds pass. */
  pass(seconds: number): Promise<void>;
  /** A whole run; what it waits for passes at once. */
  collect(terms?: Partial<GcTerms>): Promise<GcProgress>;
  /** Until the run waits, or is done: origins that are connected must not see time pass. */
  collectSome(terms?: Partial<GcTerms>): Promise<GcProgress>;
  stop(): Promise<void>;
}

/** Origins of this process go by the same clock: their tokens hold for a minute. */
const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;

export async function startKeptEdge(env: Readonly<Record<string, string>> = {}): Promise<KeptEdge> {
  const stateDir = await tempDir("housekeeping");
  const log: Record<string, unknown>[] = [];
  const edge = await startEmulatedEdge({
    stateDir,
    module: bundled(fileURLToPath(new URL("../pull/worker.ts", import.meta.url))),
    env: {
      PACKAGE_SET: "starter",
      BUILD_WAIT: "60",
      ORIGINS: JSON.stringify({ [ORIGIN.name]: { key: ORIGIN.publicKey } }),
      ...withAccounts({ root: { operator: true }, ci: {} }),
      LIMIT_IMAGES: "off",
      LIMIT_PACKAGES: "off",
      LIMIT_REQUESTS: "off",
      ...env,
    },
    log: ({ message }) => {
      if (message.startsWith("{")) log.push(JSON.parse(message) as Record<string, unknown>);
    },
  });
  const { url } = edge;
  const bucket = s3Bucket(edge.s3);
  await putBase(bucket);
  await putTag(bucket, "latest", REVISION);
  const client = new OperatorClient({ edge: new URL(url), user: "root", password: PASSWORD });
  const logged: TestEdge["logged"] = (event, count = 1) =>
    until(`${count} log lines of the event ${event}`, () => {
      const found = log.filter((line) => line["event"] === event);
      return found.length >= count ? found.slice(0, count) : undefined;
    });
  const recorded = async (): Promise<void> => {
    await until("the end of what goes on behind answers", async () => {
      const { body } = await send("GET", `${url}/test/behind`);
      return String(body) === "0";
    });
  };
  const advance = async (ms: number): Promise<void> => {
    await recorded();
    ahead += ms;
    await send("POST", `${url}/test/clock?ms=${ms}`);
  };
  const collectSome = async (terms: Partial<GcTerms> = {}): Promise<GcProgress> => {
    let progress = await client.beginGc({ unused: 90 * DAY, grace: GRACE, delete: true, ...terms });
    while (!progress.done && progress.waitMs === 0) progress = await client.stepGc(progress.run);
    return progress;
  };
  const collect = async (terms: Partial<GcTerms> = {}): Promise<GcProgress> => {
    let progress = await collectSome(terms);
    while (!progress.done) {
      await advance(progress.waitMs);
      progress = await collectSome(terms);
    }
    return progress;
  };
  return {
    firn: { url, bucket, log, logged },
    evict: edge.evict,
    client,
    recorded,
    advance,
    pass: (seconds) => advance(seconds * 1_000),
    collect,
    collectSome,
    stop: async () => {
      await edge.stop();
      await removeTree(stateDir);
    },
  };
}

export interface OperatedEdge extends FrontedEdge {
  readonly client: OperatorClient;
}

/** An edge whose bucket stands behind a front, and an operator's client of it. */
export async function startOperatedEdge(): Promise<OperatedEdge> {
  const edge = await startFrontedEdge(withAccounts({ root: { operator: true } }));
  const client = new OperatorClient({
    edge: new URL(edge.firn.url),
    user: "root",
    password: PASSWORD,
  });
  return { ...edge, client };
}

export async function everything(bucket: Bucket, prefix: string): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  for (let more = true; more;) {
    const page = await bucket.list(prefix, { limit: 1_000, after: found.at(-1)?.key });
    found.push(...page.objects);
    ({ more } = page);
  }
  return found;
}

export const keysOf = async (bucket: Bucket, prefix: string): Promise<string[]> =>
  (await everything(bucket, prefix)).map(({ key }) => key);
