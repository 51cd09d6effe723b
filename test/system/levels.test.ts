/**
 * Images at every level of the layer plan, pulled and run, most of them of levels that nobody made
 * before; and plans that change under images that were pulled.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { execa } from "execa";
import { levelPath, type Scope } from "../../edge/contract/keys.ts";
import { MAX_LAYERS } from "../../edge/contract/records.ts";
import { type OperatorBucket, operatorBucket } from "../../origin/plan/operator-bucket.ts";
import { unavailable } from "../harness/available.ts";
import {
  type Client,
  type ClientKind,
  containerd,
  docker,
  skopeo,
} from "../harness/clients/index.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullImage, pullManifest } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { LAYERED, layeredPlan, printed, putPlan } from "./layered-set.ts";
import { BUSYBOX, type TinySet, tinySet } from "./tiny-set.ts";

const skip =
  (await firnUnavailable()) ||
  (await unavailable([BUSYBOX, ...skopeo.needs, ...containerd.needs, ...docker.needs], {
    root: true,
  }));
const MAIN = join(import.meta.dirname, "../../origin/main.ts");
const PACKAGE_SET = "path";
/** sh, the base of cacert and iana-etc, and the profile. */
const OTHERS = 3;

/** Image, its packages besides sh, the level that it needs (layered-set.ts), and its layers. */
const IMAGES = [
  { name: "sh/a", packages: ["a"], level: 0, layers: 61 + OTHERS },
  { name: "sh/a/b/c", packages: ["a", "b", "c"], level: 2, layers: 3 * 21 + OTHERS },
  { name: "sh/a/b", packages: ["a", "b"], level: 1, layers: 2 * 41 + OTHERS },
  { name: "sh/a/b/c/d", packages: ["a", "b", "c", "d"], level: 3, layers: 4 + OTHERS },
  { name: "sh/a/d", packages: ["a", "d"], level: 0, layers: MAX_LAYERS },
] as const;
const [ALONE] = IMAGES;

describe("levels of the layer plan", { skip }, () => {
  let root: string;
  let set: TinySet;
  let firn: Firn;
  let bucket: OperatorBucket;
  let plan: string;
  const clients: Client[] = [];
  beforeEach(async () => {
    root = await tempDir("levels");
    set = await tinySet(root, LAYERED);
    firn = await startFirn({ packageSet: set.spec, originEnv: set.originEnv });
    bucket = operatorBucket(firn.edge.s3);
    plan = await putPlan(firn.edge.s3, PACKAGE_SET, layeredPlan());
  });
  afterEach(async (context) => {
    if ("passed" in context && !context.passed) process.stderr.write(`${firn.log()}\n`);
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await firn.stop();
    await removeTree(root);
  });
  const open = async ({ open }: ClientKind): Promise<Client> => {
    const client = await open();
    clients.push(client);
    return client;
  };
  const scopeOf = (headers: Headers): Scope => ({
    packageSet: PACKAGE_SET,
    revision: headers.get("firn-revision") ?? "",
    system: "x86_64-linux",
    plan,
  });
  test("real clients run images of every level, one as deep as docker can mount", async () => {
    const [plain, shared, limited] = [
      await open(skopeo),
      await open(containerd),
      await open(docker),
    ];
    for (const { name, packages, level, layers } of IMAGES) {
      const { manifest, headers } = await pullManifest(firn.url, name);
      assert.equal(manifest.layers.length, layers, name);
      assert.ok(manifest.layers.length <= MAX_LAYERS);
      const warning = headers.get("warning") ?? "";
      const coarse = /299 - "[^"]*coarser[^"]*"(, )?/;
      assert.equal(coarse.test(warning), level > 0, warning);
      const rest = warning.replace(coarse, "");
      assert.match(rest, /^(299 - "[^"]*built for this pull[^"]*")?$/, "nothing else to say");
      const scope = scopeOf(headers);
      for (const each of packages)
        assert.equal(
          (await bucket.get(levelPath(scope, each, level))) !== null,
          level > 0,
          `${each} at level ${level}`,
        );
      for (const client of layers === MAX_LAYERS ? [limited] : [plain, shared])
        await runs(client, `${firn.host}/${name}`, packages);
    }
  });

  test("a new plan changes what names mean from then on, and nothing that was pulled before", async () => {
    const client = await open(containerd);
    const before = await pullImage(firn.url, ALONE.name);
    assert.equal(before.layers.length, ALONE.layers);

    const made = await execa(process.execPath, [MAIN, "plan"], {
      env: { ...s3Variables(firn), PACKAGE_SET: set.spec, STATE_DIR: join(root, "plan") },
      stdin: "ignore",
    });
    assert.match(made.stdout, /^[0-9a-f]{64}$/);
    assert.notEqual(made.stdout, plan);
    await firn.origins[0]?.stop();
    await firn.restartEdge();
    await firn.origins[0]?.start();

    const after = await pullImage(firn.url, ALONE.name);
    // All others are too small for a layer.
    assert.equal(after.layers.length, 2, "the base and the image's own");
    assert.deepEqual(after.config.config, before.config.config, "the same image in other layers");
    await firn.origins[0]?.stop();
    assert.deepEqual((await pullImage(firn.url, ALONE.name, before.digest)).layers, before.layers);
    for (const image of [`${ALONE.name}@${before.digest}`, ALONE.name])
      await runs(client, `${firn.host}/${image}`, ALONE.packages);
  });
});

/** Pulls, and runs every package's program. */
async function runs(client: Client, image: string, packages: readonly string[]): Promise<void> {
  await client.pull(image);
  for (const name of packages) {
    const { exitCode, stdout, stderr } = await client.run(image, [name]);
    assert.deepEqual(
      { exitCode, stdout },
      { exitCode: 0, stdout: printed(name) },
      `${client.name}, ${image}: ${stderr}`,
    );
  }
}

const s3Variables = ({ edge: { s3 } }: Firn): Record<string, string> => ({
  S3_ENDPOINT: s3.endpoint,
  S3_BUCKET: s3.bucket,
  S3_REGION: s3.region,
  S3_ACCESS_KEY_ID: s3.accessKeyId,
  S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
});
