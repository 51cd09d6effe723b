/**
 * Any packages compose to an image that is the union of their closures and of a profile that links
 * them together: random choices of the starter set, unpacked by tar, against the store itself.
 */
import assert from "node:assert/strict";
import { readdir, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { baseEntries } from "../../edge/compose/base-files.ts";
import { packagePath, planPath, type Scope } from "../../edge/contract/keys.ts";
import { parseImageName } from "../../edge/contract/names.ts";
import { MAX_LAYERS, type PackageRecord } from "../../edge/contract/records.ts";
import { queryClosure } from "../../origin/nix/build/closure.ts";
import { type OperatorBucket, operatorBucket } from "../../origin/plan/operator-bucket.ts";
import { seeded, shuffled } from "../bench/layers/random.ts";
import { unavailable } from "../harness/available.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullImage, unpackImage } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { assertSameTree, imageFiles, mergedFiles } from "./tree.ts";

const skip = (await firnUnavailable()) || (await unavailable([], { root: true }));
const PACKAGE_SET = "starter";
/** Small ones, that overlap in bin, share, share/man and lib. */
const PACKAGES = [
  "bc",
  "busybox",
  "bzip2",
  "coreutils",
  "curl",
  "dash",
  "diffutils",
  "figlet",
  "file",
  "gawk",
  "gnugrep",
  "gnused",
  "gzip",
  "hello",
  "jq",
  "less",
  "nano",
  "sqlite",
  "tree",
  "unzip",
  "xz",
  "zip",
];
/** As many random images, of 1, 2, … packages. */
const MOST = 5;
/**
 * moreutils, which comes with shell, and parallel, both with perl's tree below, have a file in
 * common; bash is shell's own bash by another name.
 */
const CONFLICTING = "shell/bash/parallel";
/** FIRN_SEED=N tries other images. */
const SEED = Number(process.env["FIRN_SEED"] ?? 3);

describe(`images are unions (seed ${SEED})`, { skip }, () => {
  let root: string;
  let firn: Firn;
  let bucket: OperatorBucket;
  before(async () => {
    root = await tempDir("union");
    firn = await startFirn();
    bucket = operatorBucket(firn.edge.s3);
  });
  after(async () => {
    await firn?.stop();
    await removeTree(root);
  });
  afterEach((context) => {
    if ("passed" in context && !context.passed) process.stderr.write(`${firn.log()}\n`);
  });
  const read = async (key: string): Promise<unknown> =>
    JSON.parse(new TextDecoder().decode((await bucket.get(key)) ?? new Uint8Array()));

  const random = seeded(SEED);
  const chosen = Array.from({ length: MOST }, (_, index) =>
    [...(random() < 0.5 ? ["shell"] : []), ...shuffled(PACKAGES, random).slice(0, index + 1)].join(
      "/",
    ),
  );
  for (const [number, name] of [CONFLICTING, ...chosen].entries()) {
    test(name, async () => {
      const image = await pullImage(firn.url, name);
      assert.ok(image.layers.length <= MAX_LAYERS);
      const tree = join(root, String(number));
      await unpackImage(image, tree);

      const { names, pinned = "x86_64-linux" } = parseImageName(name);
      const { plan } = (await read(planPath(PACKAGE_SET))) as { plan: string };
      const scope: Scope = {
        packageSet: PACKAGE_SET,
        revision: image.headers.get("firn-revision") ?? "",
        system: pinned,
        plan,
      };
      const packages = await Promise.all(
        names.map(
          async (each) => ((await read(packagePath(scope, each))) as PackageRecord).storePath,
        ),
      );
      const closure = [...(await queryClosure([...new Set(packages)])).keys()].sort();
      assert.deepEqual(
        (await readdir(join(tree, "nix/store"))).sort(),
        closure.map((path) => basename(path)),
      );
      for (const path of closure) await assertSameTree(join(tree, path), path);

      const wanted = await mergedFiles(packages);
      assert.ok(wanted.size > 0);
      const first = async (program: string): Promise<string | undefined> => {
        const found = await Promise.all(
          packages.map((path) =>
            stat(`${path}/bin/${program}`).then(
              (stats) => stats.isFile(),
              () => false,
            ),
          ),
        );
        const at = found.indexOf(true);
        return at < 0 ? undefined : `${packages[at]}/bin/${program}`;
      };
      const contents = new Map<string, string>();
      const files = await imageFiles(tree, contents);
      for (const [path, entry] of baseEntries({
        env: await first("env"),
        sh: await first("sh"),
        bash: await first("bash"),
      })) {
        const at = `/${path}`;
        if (entry.type === "directory")
          assert.equal((await stat(join(tree, path))).mode & 0o7777, entry.mode, at);
        else if (wanted.has(at)) continue;
        else if (entry.type === "file") assert.equal(contents.get(at), entry.contents, at);
        else assert.ok(files.delete(at), at);
        contents.delete(at);
      }
      assert.deepEqual([...contents.keys()], [], "nothing but the base files is the image's own");
      assert.deepEqual(sorted(files), sorted(wanted));
      await rm(tree, { recursive: true });
    });
  }
});

const sorted = (files: ReadonlyMap<string, string>): [string, string][] =>
  [...files].sort(([a], [b]) => (a < b ? -1 : 1));
