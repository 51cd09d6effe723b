/**
 * A whole Firn, `firn serve` and `firn origin`, on small disks that are full: a pull that cannot be
 * stored or built says so, in the log which disk and what to do; nothing is lost; and it works as
 * soon as there is room again.
 */
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { execa } from "execa";
import { ORIGIN_NEEDS } from "../../../origin/local/needs.ts";
import { originEnv } from "../../../origin/local/origin.ts";
import { ownPort } from "../../harness/ports.ts";
import { originPublicKey } from "../../../origin/local/secrets.ts";
import { unavailable } from "../../harness/available.ts";
import { cleanUp } from "../../harness/clean-up.ts";
import { ownNixUnavailable, withSmallNix } from "../../harness/own-nix.ts";
import { pullImage, RegistryAnswer } from "../../harness/registry-client.ts";
import { ROOT, StartProcess } from "../../harness/start-process.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { tinySet } from "../../system/tiny-set.ts";
import { mountSmall, smallMountUnavailable } from "./small-mount.ts";

const options = {
  skip:
    (await unavailable(ORIGIN_NEEDS)) ||
    (await smallMountUnavailable()) ||
    (await ownNixUnavailable()),
  timeout: 280_000,
};
const COMMAND = [process.execPath, join(ROOT, "origin/main.ts")];
const MB = 1e6;
/** Bytes that do not compress. */
const large = (name: string, bytes: number): string =>
  `${name} = mk "${name}" "mkdir -p $out/bin; head -c ${bytes} /dev/urandom > $out/bin/${name}";`;

interface Place {
  readonly url: string;
  /** Where the edge keeps its state: a directory on the disk. */
  readonly state: string;
  readonly edge: StartProcess;
  readonly origin: StartProcess;
}

interface Options {
  /** Of the edge's disk. */
  readonly size: string;
  /** A program that runs the origin. */
  readonly before?: readonly string[];
  /** More variables for the edge. */
  readonly edgeEnv?: Readonly<Record<string, string>>;
}

/** Both processes, which end with the test. */
async function startFirn(
  t: TestContext,
  attributes: string,
  { size, before = [], edgeEnv = {} }: Options,
): Promise<Place> {
  const atEnd = cleanUp(t);
  const root = await tempDir("disk");
  atEnd(() => removeTree(root));
  await mountSmall(join(root, "disk"), size);
  const state = join(root, "disk/state");
  const set = await tinySet(root, attributes);
  const keyFile = join(root, "origin.key");
  const [port, bucketPort] = [await ownPort(), await ownPort()];
  const url = `http://127.0.0.1:${port}`;
  const edge = new StartProcess(
    {
      PACKAGE_SET: set.spec,
      FIRN_STATE: state,
      PORT: String(port),
      BUCKET_PORT: String(bucketPort),
      SYSTEMS: "x86_64-linux",
      ORIGINS: JSON.stringify({ rack: { key: await originPublicKey(keyFile) } }),
      ...edgeEnv,
    },
    [...COMMAND, "serve"],
  );
  atEnd(() => edge.end("SIGTERM"));
  await edge.line(/listening at/);
  const env = await originEnv(process.env, {
    edgeUrl: url,
    name: "rack",
    keyFile,
    packageSet: set.spec,
    stateDir: join(root, "origin"),
  });
  const origin = new StartProcess({ ...env, ...set.originEnv, DRAIN: "0" }, [
    ...before,
    ...COMMAND,
    "origin",
  ]);
  atEnd(() => origin.end("SIGTERM"));
  t.after((context) => {
    if ("passed" in context && !context.passed)
      process.stderr.write(`${[...edge.lines, ...origin.lines].join("\n")}\n`);
  });
  await origin.line(/connected to the edge/);
  return { url, state, edge, origin };
}

/** The answer to a pull that does not succeed. */
const refused = (url: string, name: string): Promise<RegistryAnswer> =>
  pullImage(url, name).then(
    () => assert.fail(`${name} was pulled`),
    (error: unknown) => {
      assert.ok(error instanceof RegistryAnswer, String(error));
      return error;
    },
  );

/** Pulls until it works. */
const pulled = (url: string, name: string) =>
  until(`${name} pulled`, () =>
    pullImage(url, name).catch((error: unknown) => {
      if (!(error instanceof RegistryAnswer)) throw error;
      return undefined;
    }),
  );

test("the edge's disk is full: bucket and Durable Objects", options, async (t) => {
  const attributes = `snow = program "snow"; ${large("ice", 8 * MB)} ${large("late", 8 * MB)}`;
  const { url, state, edge } = await startFirn(t, attributes, {
    size: "64m",
    // Longer than the test: nobody is held until then.
    edgeEnv: { BUILD_WAIT: "3600" },
  });
  const before = await pullImage(url, "snow");

  await writeFile(join(state, "fill"), Buffer.alloc(100 * MB)).catch(() => undefined);
  for (const name of ["ice", "late"]) {
    const { status, code, message, headers } = await refused(url, name);
    assert.deepEqual([status, code], [503, "UNAVAILABLE"], message);
    // Which of them cannot be written first: the queue, the bucket, or what a job has made.
    assert.match(
      message,
      /(the registry's storage|a part of this registry is) .*try again|building (ice|late)/,
    );
    assert.doesNotMatch(message, /it goes on/);
    assert.ok(Number(headers.get("retry-after")) > 0);
  }
  const full = edge.lines.filter((line) => line.includes('"disk.full"'));
  assert.equal(full.length, 1, "said once");
  assert.ok(full[0]?.includes(`the disk of ${state} is full (`), full[0]);
  assert.match(full[0] ?? "", /Free some space or make the disk larger; `firn gc --delete`/);
  assert.equal((await pullImage(url, "snow")).digest, before.digest, "what is there is served");

  await rm(join(state, "fill"));
  for (const name of ["ice", "late", "snow/ice"]) await pulled(url, name);
  assert.equal((await pullImage(url, "snow")).digest, before.digest, "nothing was lost");
  await edge.line(/"disk\.room"/);
});

test("the disk of an origin's Nix store is full", options, async (t) => {
  const attributes = `snow = program "snow"; ${large("ice", 100 * MB)}`;
  const { url, origin } = await startFirn(t, attributes, {
    size: "512m",
    before: withSmallNix(80 * MB),
    // Longer than the test: nobody is held until then.
    edgeEnv: { BUILD_WAIT: "3600" },
  });
  const before = await pullImage(url, "snow");
  const { status, code, message } = await refused(url, "ice");
  assert.deepEqual([status, code], [503, "UNAVAILABLE"], "another origin may have room");
  assert.match(message, /^every origin for x86_64-linux .* is out of room|^no origin could build/);
  assert.doesNotMatch(message, /it goes on/);
  const job = await origin.line(/"failed":\["ice: /);
  assert.match(job, /building ice failed: the disk is full|whose build|the build of ice/);
  const told = await origin.line(/this origin takes no jobs until there is room/);
  assert.match(told, /\/nix\/store has \d+\.\d MB free, and 8\.0 MB are kept free/);
  assert.match(told, /free some space, or set another DISK_BUDGET; .*run nix-collect-garbage/);
  assert.equal((await pullImage(url, "snow")).digest, before.digest, "what is there is served");
  // As that process sees it.
  const pid = String(origin.child.pid);
  await execa("nsenter", ["-t", pid, "-m", "mount", "-o", "remount,size=400m", "/nix"]);
  await pulled(url, "ice");
});
