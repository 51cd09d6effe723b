/**
 * A bucket in trouble behind a whole Firn: pulls succeed or say why, nothing is half-published, and
 * the same pull works afterwards, to the same digest.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type OperatorBucket, operatorBucket } from "../../origin/plan/operator-bucket.ts";
import { unavailable } from "../harness/available.ts";
import { type Firn, type FirnOptions, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullImage, pullManifest, RegistryAnswer } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { until } from "../harness/until.ts";
import { assertWhole } from "../harness/whole-bucket.ts";
import { startProxy, type TamperingProxy } from "../origin/layers/tampering-proxy.ts";
import { LAYERED, layeredPlan, putPlan } from "./layered-set.ts";
import { BUSYBOX, tinySet } from "./tiny-set.ts";

const skip = (await firnUnavailable()) || (await unavailable([BUSYBOX]));
const PACKAGE_SET = "path";
const IMAGE = "sh/a";

interface World {
  start(options?: FirnOptions): Promise<Firn>;
  /** A Firn whose origin reaches the bucket through a proxy. */
  startBehind(
    edgeEnv?: Readonly<Record<string, string>>,
  ): Promise<{ firn: Firn; proxy: TamperingProxy; bucket: OperatorBucket }>;
}

/** Firns of one package set, gone after `work`; when it fails, with all that they wrote. */
async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const root = await tempDir("trouble");
  const firns: Firn[] = [];
  const proxies: TamperingProxy[] = [];
  try {
    const set = await tinySet(root, LAYERED);
    const start = async (options: FirnOptions = {}): Promise<Firn> => {
      const firn = await startFirn({ packageSet: set.spec, originEnv: set.originEnv, ...options });
      firns.push(firn);
      return firn;
    };
    const startBehind: World["startBehind"] = async (edgeEnv = {}) => {
      // What the edge signs leads there; where the bucket is, is known once the edge runs.
      const proxy = await startProxy("http://127.0.0.1:1");
      proxies.push(proxy);
      const firn = await start({
        edgeEnv: { ...edgeEnv, S3_ENDPOINT: proxy.origin },
      });
      proxy.target = new URL(firn.edge.s3.endpoint).origin;
      return { firn, proxy, bucket: operatorBucket(firn.edge.s3) };
    };
    await work({ start, startBehind });
  } catch (error) {
    for (const firn of firns) process.stderr.write(`${firn.log()}\n`);
    throw error;
  } finally {
    await Promise.all(firns.map((firn) => firn.stop()));
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await removeTree(root);
  }
}

// Side by side: much of it is waiting.
describe("a bucket in trouble", { skip, concurrency: 2 }, () => {
  test("uploads that fail at first, by error or hang-up: the pull waits and gets its image", () =>
    inWorld(async ({ start, startBehind }) => {
      const { firn, proxy, bucket } = await startBehind();
      await putPlan(firn.edge.s3, PACKAGE_SET, layeredPlan());
      const seen = new Map<string, number>();
      let failed = 0;
      proxy.trouble = ({ method, url = "" }) => {
        const time = (seen.get(`${method} ${url}`) ?? 0) + 1;
        seen.set(`${method} ${url}`, time);
        // Every second blob.
        if (method !== "PUT" || time > 1 || seen.size % 2 !== 0) return "pass";
        return failed++ % 2 === 0 ? { status: 503 } : "hang-up";
      };
      const image = await pullImage(firn.url, IMAGE);
      assert.ok(failed > 2, "there was trouble");
      await assertWhole(bucket);

      const untroubled = await start();
      await putPlan(untroubled.edge.s3, PACKAGE_SET, layeredPlan());
      assert.equal((await pullManifest(untroubled.url, IMAGE)).digest, image.digest);
    }));

  test("a bucket that goes on failing: a clear 503, no record; then the same pull works", () =>
    inWorld(async ({ startBehind }) => {
      const { firn, proxy, bucket } = await startBehind({ BUILD_WAIT: "5" });
      proxy.trouble = (request) => (isBlobUpload(request) ? { status: 503 } : "pass");
      // On a slow machine the first 5 seconds may be over before anything is built.
      await until("an upload tried", async () => {
        assert.match((await refusal(firn)).message, /not finished after 5 seconds; it goes on/);
        return proxy.seen.some(
          (request) => request.startsWith("PUT") && request.includes("/blobs/"),
        );
      });
      await assertWhole(bucket);
      assert.deepEqual(await keys(bucket, "packages/"), []);

      proxy.trouble = () => "pass";
      // A pull may still find the origin between two attempts; it is told to come again, and joins.
      await until("the image pulled", () =>
        pullImage(firn.url, IMAGE).catch((again: unknown) => {
          assert.ok(
            again instanceof RegistryAnswer && /it goes on/.test(again.message),
            String(again),
          );
          return undefined;
        }),
      );
      await assertWhole(bucket);
    }));

  test("a bucket that takes nothing: client told, log says why, later the same pull works", () =>
    inWorld(async ({ startBehind }) => {
      const { firn, proxy, bucket } = await startBehind();
      proxy.trouble = (request) => (isBlobUpload(request) ? { status: 403 } : "pass");
      const error = await refusal(firn);
      assert.match(
        error.message,
        /^no origin could build package.* at the moment: the registry's storage takes nothing new/,
      );
      // Which origin it was and where its bucket lies is for the operator alone.
      const log = new RegExp(`${firn.url}/builds/[0-9a-f]{64}`, "g");
      const said = JSON.stringify([error.message, error.detail]).replaceAll(log, "");
      assert.doesNotMatch(said, /origin-1|127\.0\.0\.1|403/);
      assert.match(firn.log(), /item\.give-up.*origin-1.*PUT http.*status 403/);
      await assertWhole(bucket);
      assert.deepEqual(await keys(bucket, "packages/"), []);

      proxy.trouble = () => "pass";
      await sleep(1_000 * Number(error.headers.get("retry-after")));
      await pullImage(firn.url, IMAGE);
      await assertWhole(bucket);
    }));
});

const isBlobUpload = ({
  method,
  url = "",
}: {
  method?: string | undefined;
  url?: string | undefined;
}): boolean => method === "PUT" && url.includes("/blobs/");

/** The answer to a pull that must fail with 503 and a time to come again. */
async function refusal(firn: Firn): Promise<RegistryAnswer> {
  const error = await pullManifest(firn.url, IMAGE).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RegistryAnswer, String(error ?? "it was pulled"));
  assert.deepEqual([error.status, error.code], [503, "UNAVAILABLE"], error.message);
  assert.ok(Number(error.headers.get("retry-after")) > 0, "Retry-After is in seconds");
  return error;
}

async function keys(bucket: OperatorBucket, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const key of bucket.list(prefix)) found.push(key);
  return found;
}
