/**
 * The whole of Firn as processes: edge, origins, Nix, bucket. What is known needs no origin, what
 * many want is built once, what one origin loses another finishes.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Firn, type FirnOptions, firnUnavailable, startFirn } from "../harness/firn.ts";
import {
  pullImage,
  pullManifest,
  RegistryAnswer,
  unpackImage,
} from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { until } from "../harness/until.ts";
import { type TinySet, tinySet } from "./tiny-set.ts";

const skip = await firnUnavailable();

/** Slow enough to lose an origin meanwhile. */
const ATTRIBUTES = `
  snow = program "snow";
  ice = program "ice";
  hail = program "hail";
  slow = mk "slow" "sleep 4; mkdir -p $out/bin; echo slow > $out/bin/slow";
  broken = mk "broken" "echo it cracks >&2; exit 1";
`;

describe("a whole Firn", { skip }, () => {
  let root: string;
  let set: TinySet;
  let firns: Firn[];
  beforeEach(async () => {
    root = await tempDir("set");
    set = await tinySet(root, ATTRIBUTES);
    firns = [];
  });
  afterEach(async (context) => {
    if ("passed" in context && !context.passed)
      for (const firn of firns) process.stderr.write(`${firn.log()}\n`);
    await Promise.all(firns.map((firn) => firn.stop()));
    await removeTree(root);
  });
  const start = async (options: FirnOptions = {}): Promise<Firn> => {
    const firn = await startFirn({ packageSet: set.spec, originEnv: set.originEnv, ...options });
    firns.push(firn);
    return firn;
  };

  test("32 clients at once on one unknown image: one nix-build, 32 equal answers", async () => {
    const firn = await start();
    const images = await Promise.all(
      Array.from({ length: 32 }, () => pullImage(firn.url, "snow/ice")),
    );
    assert.equal(new Set(images.map((image) => image.digest)).size, 1);
    assert.equal((await set.builds()).length, 1);
  });

  test("with every origin stopped, known packages in any combination pull; others are 503", async () => {
    const firn = await start();
    const known = await pullImage(firn.url, "snow/ice");
    await pullImage(firn.url, "hail");
    await firn.origins[0]?.stop();

    assert.equal((await pullImage(firn.url, "ice/snow")).digest, known.digest);
    const combined = await pullImage(firn.url, "snow/hail");
    await unpackImage(combined, join(root, "image"));
    await assert.rejects(pullManifest(firn.url, "snow/slow"), (error) => {
      assert.ok(error instanceof RegistryAnswer);
      assert.deepEqual([error.status, error.code], [503, "UNAVAILABLE"]);
      assert.match(error.message, /no origin/);
      assert.match(error.message, /slow/);
      assert.ok(Number(error.headers.get("retry-after")) > 0, "Retry-After is in seconds");
      return true;
    });
  });

  test("an origin is killed during a build: another one finishes it, and nobody notices", async () => {
    const firn = await start({ origins: 2 });
    await pullManifest(firn.url, "snow");
    const before = firn.origins.map((origin) => origin.lines.length);
    const pull = pullImage(firn.url, "slow");
    const saidSince = (text: string): number =>
      firn.origins.findIndex((origin, index) =>
        origin.lines.slice(before[index]).some((line) => line.includes(text)),
      );
    await until("a job begun", () => saidSince("job begun") >= 0);
    const first = saidSince("job begun");
    // Nix is building when the origin goes.
    await until("a build of slow", async () =>
      (await set.builds()).some((build) => build.includes("slow")),
    );
    await firn.origins[first]?.kill();
    const image = await pull;
    assert.equal(saidSince("job done"), 1 - first, "the other origin did the job");
    assert.ok(image.layers.length > 1);
  });

  test("two Firns that share only the package set make the same image, byte for byte", async () => {
    const [one, two] = await Promise.all([start(), start()]);
    // Not at the same moment, and not in the same company.
    await pullImage(two.url, "hail");
    await pullImage(two.url, "ice");
    const first = await pullImage(one.url, "hail/ice/snow");
    const second = await pullImage(two.url, "snow/hail/ice/snow");
    assert.equal(second.digest, first.digest);
    assert.deepEqual(second.manifest.layers, first.manifest.layers);
  });

  test("a failed build says why, again and again, and leaves what is sound alone", async () => {
    const firn = await start();
    for (let time = 0; time < 2; time++) {
      await assert.rejects(pullManifest(firn.url, "snow/broken"), (error) => {
        assert.ok(error instanceof RegistryAnswer);
        assert.equal(error.status, 500);
        assert.match(error.message, /^package broken does not build: .*broken.*exit code 1/);
        assert.match(JSON.stringify(error.detail), /it cracks/);
        return true;
      });
    }
    await pullImage(firn.url, "snow");
    assert.equal(
      (await set.builds()).filter((build) => build.includes("broken")).length,
      1,
      "a failure is remembered for a while",
    );
  });

  test("an edge that starts again has everything, with no origin", async () => {
    const firn = await start();
    const { digest } = await pullImage(firn.url, "snow/ice");
    await firn.origins[0]?.stop();
    await firn.restartEdge();
    assert.equal((await pullImage(firn.url, "snow/ice")).digest, digest);
    assert.equal((await pullImage(firn.url, "snow/ice", digest)).digest, digest);
    await pullImage(firn.url, "ice");
  });
});
