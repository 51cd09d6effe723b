/**
 * `firn plan` against a real bucket: what it writes, in which order it counts, and that pulls go on
 * before and after.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { sha256Hex } from "../../../edge/contract/digest.ts";
import { blobPath, planPath } from "../../../edge/contract/keys.ts";
import { demandPath } from "../../../edge/contract/demand.ts";
import { type OperatorBucket, operatorBucket } from "../../../origin/plan/operator-bucket.ts";
import { plan } from "../../../origin/plan/command.ts";
import { planStore } from "../../../origin/plan/plans.ts";
import { type Firn, firnUnavailable, startFirn } from "../../harness/firn.ts";
import { pullImage } from "../../harness/registry-client.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { type TinySet, tinySet } from "../../system/tiny-set.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;

const skip = await firnUnavailable();

describe("firn plan", { skip }, () => {
  let root: string;
  let set: TinySet;
  let firn: Firn;
  let bucket: OperatorBucket;
  const lines: string[] = [];
  before(async () => {
    root = await tempDir("plan");
    set = await tinySet(root, 'snow = program "snow"; ice = program "ice";');
    firn = await startFirn({ packageSet: set.spec, originEnv: set.originEnv });
    bucket = operatorBucket(firn.edge.s3);
  });
  after(async () => {
    await firn?.stop();
    await removeTree(root);
  });
  const run = (options: { dryRun?: boolean; onlyFirst?: boolean } = {}): Promise<string> => {
    lines.length = 0;
    return plan({
      packageSet: set.spec,
      system: "x86_64-linux",
      stateDir: join(root, "state"),
      bucket,
      storePaths: "",
      cache: "",
      log: (line) => lines.push(line),
      ...options,
    });
  };
  const get = async (key: string): Promise<string | null> => {
    const bytes = await bucket.get(key);
    return bytes && new TextDecoder().decode(bytes);
  };
  /** The pointer, which says whose plan it is. */
  const isInForce = async (id: string): Promise<void> => {
    const { plan: inForce, by } = JSON.parse((await get(planPath("path"))) ?? "{}");
    assert.equal(inForce, id);
    assert.match(by, /^[^@]+(@|$)/);
  };

  test("with nothing published it says what to do first", async () => {
    await assert.rejects(run(), /pull some images first/);
    assert.equal(await get(planPath("path")), null);
  });

  test("a dry run writes nothing; a real one the plan by its digest, then the pointer", async () => {
    const before = await pullImage(firn.url, "snow/ice");
    const id = await run({ dryRun: true });
    assert.equal(await get(planPath("path")), null);

    assert.equal(await run(), id);
    const text = await get(blobPath(`sha256:${id}`));
    assert.ok(text);
    assert.equal(await sha256Hex(text), id);
    await isInForce(id);

    const again = await pullImage(firn.url, "snow/ice");
    assert.equal(
      again.digest,
      before.digest,
      "an edge goes on with the plan that it knows until it looks again",
    );
    const loaded = await planStore().load(id, (digest) => bucket.get(blobPath(digest)));
    assert.deepEqual(loaded, JSON.parse(text));
  });

  test("the same graph and counts, the same plan; a first plan only where there is none", async () => {
    const id = await run();
    assert.match(lines.join("\n"), /in force already/);
    assert.equal(await run({ onlyFirst: true }), id);
    assert.equal(lines.length, 0);
  });

  test("a plan of another version of Firn is replaced, though only a first was wanted", async () => {
    const id = await run();
    const strange = '{"version":0}';
    await bucket.put(blobPath(`sha256:${await sha256Hex(strange)}`), strange, "application/json");
    await bucket.put(
      planPath("path"),
      JSON.stringify({ plan: await sha256Hex(strange) }),
      "application/json",
    );
    assert.equal(await run({ onlyFirst: true }), id);
    assert.match(
      lines[0] ?? "",
      /cannot be used by this version of Firn, make a new one with `firn plan`/,
    );
    await isInForce(id);
  });

  test("what was pulled counts, and a broken count is passed over by name", async () => {
    const id = await run();
    await bucket.put(
      demandPath("path", "2026-01-01", "a"),
      JSON.stringify({ pulls: 1_000, packages: { snow: 900, cacert: 1_000, "iana-etc": 1_000 } }),
      "application/json",
    );
    await bucket.put(demandPath("path", "2026-01-02", "b"), "{", "application/json");
    await run({ dryRun: true });
    assert.match(lines.join("\n"), /demand from 10\d\d pulls/);
    assert.match(lines.join("\n"), /2026-01-02\/b\.json is not a count/);
    await isInForce(id);
  });
});

describe("layer plans by identity", () => {
  test("a plan that is missing or wrong is an error that names it; a later look finds it", async () => {
    const text = '{"gains":[],"names":{},"smallPart":0,"thresholds":[1],"version":2}';
    const id = await sha256Hex(text);
    let stored: Uint8Array<ArrayBuffer> | null = null;
    const store = planStore();
    const load = () => store.load(id, () => Promise.resolve(stored));
    await assert.rejects(load(), /no layer plan/);
    stored = bytes("{}");
    await assert.rejects(load(), /damaged/);
    stored = bytes(text);
    assert.deepEqual((await load()).thresholds, [1]);
    stored = null;
    assert.deepEqual((await load()).thresholds, [1], "what was read once stays true");
  });
});
