/** A publish job with real Nix and a real bucket: what fails fails alone. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { execa } from "execa";
import { decodeClosure } from "../../../edge/contract/closure-blob.ts";
import { blobPath, type Scope } from "../../../edge/contract/keys.ts";
import type { Result } from "../../../edge/contract/items.ts";
import { isSignedBy } from "../../../edge/contract/signatures.ts";
import { generateOriginKey } from "../../../origin/channel/index.ts";
import { readOriginKey } from "../../../origin/channel/key.ts";
import { signer } from "../../../origin/channel/sign.ts";
import { publish } from "../../../origin/publish/publish.ts";
import type { NixLimits } from "../../../origin/nix/limits.ts";
import { planStore } from "../../../origin/plan/plans.ts";
import { BASE } from "../../system/tiny-set.ts";
import { directoryWith, needs, open, packageSet, signal, system } from "../nix/support.ts";
import { bucketLayers } from "./support.ts";

const { privateKey, publicKey } = generateOriginKey();
const key = readOriginKey(privateKey);

const SET = packageSet(`
  ${BASE}
  good = program "good";
  other = program "other";
  unfit = mk "unfit" "mkdir -p $out/bin; echo > $out/bin/.wh.x";
  needs-unfit = mk "needs-unfit" "mkdir -p $out; ln -s \${unfit}/bin $out/bin";
  broken = mk "broken" "echo no way; exit 1";
`);

/** Keys of the layers at a package's own level, sorted. */
const keysOf = ({ statement }: Extract<Result, { kind: "package" }>): string[] =>
  (statement.levels[statement.level] ?? [])
    .map((index) => statement.parts[index]?.key ?? "")
    .sort();

/** Publishes packages of a set, all in one job. */
async function publishing(t: TestContext, text: string, limits?: Partial<NixLimits>) {
  const { bucket, layers } = await bucketLayers(t);
  const set = await open(t, `path:${directoryWith(t, text)}`);
  const revision = await set.resolve("latest", signal);
  const scope: Scope = { packageSet: set.id, revision, system, plan: "none" };
  const job = (...names: string[]): Promise<Result[]> =>
    publish(
      scope,
      names.map((name) => ({ kind: "package", ...scope, name })),
      {
        packageSet: set,
        metadata: (request, asked, until) => set.metadata(request, asked, until),
        layers,
        plans: planStore(),
        nix: "2.0-test",
        zstd: false,
        sign: signer(key),
        signal,
        limits,
        log: () => {},
      },
    );
  return { job, bucket };
}

test(
  "a package whose closure is beyond the limit fails alone, before it is packed, and names the limit",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const { job } = await publishing(
      t,
      packageSet(`
        ${BASE}
        small = program "small";
        large = mk "large" "mkdir -p $out; head -c 3000000 /dev/zero > $out/zeros";
        needs-large = mk "needs-large" "mkdir -p $out/bin; ln -s \${large}/zeros $out/bin/zeros";
        many = mk "many" "mkdir -p $out; echo \${small} \${other} > $out/needs";
        other = program "other";
      `),
      { closureLimit: 2_000_000, closurePaths: 2 },
    );
    const [small, needsLarge, many] = await job("small", "needs-large", "many");
    assert.equal(small?.kind, "package");
    assert.ok(needsLarge?.kind === "failure" && many?.kind === "failure");
    assert.deepEqual([needsLarge.failure.reason, many.failure.reason], ["limit", "limit"]);
    assert.match(needsLarge.failure.message, /^needs-large with all that it needs .*CLOSURE_LIMIT/);
    assert.match(many.failure.message, /^many needs 3 store paths, and 2 .*\(CLOSURE_PATHS\)$/);
  },
);

test(
  "a package that cannot be packed fails alone, for good and with its reason, and so does what needs it",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const { job } = await publishing(t, SET);
    const [good, unfit, needsUnfit, broken] = await job("good", "unfit", "needs-unfit", "broken");
    assert.ok(good?.kind === "package");
    assert.equal(good.statement.name, "good");
    assert.ok(await isSignedBy(publicKey, "package", good));
    assert.deepEqual(good.layers.map(({ statement }) => statement.key).sort(), keysOf(good));
    for (const layer of good.layers) assert.ok(await isSignedBy(publicKey, "layer", layer));
    for (const outcome of [unfit, needsUnfit]) {
      assert.ok(outcome?.kind === "failure");
      // Not "error": that would be tried again on another origin.
      assert.equal(outcome.failure.reason, "unfit");
      assert.match(
        outcome.failure.message,
        /^\/nix\/store\/\S+-unfit\/bin\/\.wh\.x cannot be in a layer/,
      );
    }
    assert.ok(broken?.kind === "failure");
    assert.equal(broken.failure.reason, "failed");
    assert.ok(broken.failure.logBlob, "a build that failed has its log");
  },
);

test(
  "a package's closure is a blob: every store path, and what the set says of the package",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const { job, bucket } = await publishing(
      t,
      packageSet(`
        ${BASE}
        library = mk "library-2.0" "mkdir -p $out; echo library > $out/file" // {
          meta = { license.spdxId = "Zlib"; homepage = "https://example.org/library"; };
        };
        tool = mk "tool-1.5" "mkdir -p $out/bin; ln -s \${library}/file $out/bin/tool" // {
          meta = {
            license = [ { spdxId = "MIT"; fullName = "MIT License"; } "ours" { shortName = "x"; } 7 ];
            homepage = [ "https://example.org/tool" "https://example.org/other" ];
          };
        };
        odd = mk "odd" "mkdir $out" // { meta = { license = throw "no"; homepage = 5; }; };
        script = mk "script" "mkdir $out" // { meta.homepage = "javascript:alert(1)"; };
      `),
    );
    const [tool, odd, script] = await job("tool", "odd", "script");
    const closureOf = async (result: Result | undefined) => {
      assert.ok(result?.kind === "package", JSON.stringify(result));
      const { closure, storePath } = result.statement;
      const blob = await bucket.bytes(blobPath(closure.digest));
      assert.equal(blob?.length, closure.size);
      const { paths, ...more } = decodeClosure(blob ?? new Uint8Array(), closure);
      return { ...more, paths, own: paths.find(({ path }) => path === storePath) };
    };
    const { own, paths, nix, derivation, output } = await closureOf(tool);
    assert.deepEqual([nix, output], ["2.0-test", "out"]);
    assert.match(derivation, /-tool-1\.5\.drv$/);
    assert.equal(own?.deriver, derivation);
    assert.deepEqual([own.pname, own.version], ["tool", "1.5"]);
    assert.equal(own.homepage, "https://example.org/tool");
    assert.deepEqual(own.licenses, [
      { spdxId: "MIT", name: "MIT License" },
      { name: "ours" },
      { name: "x" },
    ]);
    assert.equal(paths.length, 2);
    const library = paths.find(({ path }) => path.endsWith("-library-2.0"));
    assert.deepEqual(
      own.references.map((at) => paths[at]),
      [library],
    );
    const { stdout } = await execa("nix-store", ["--query", "--hash", library?.path ?? ""]);
    const base32 = await execa("nix-hash", [
      "--type",
      "sha256",
      "--to-base16",
      stdout.replace("sha256:", ""),
    ]);
    assert.equal(library?.narHash, `sha256:${base32.stdout}`);
    const { pname, version, homepage, licenses } = library ?? {};
    assert.deepEqual(
      { pname, version, homepage, licenses },
      {
        pname: "library",
        version: "2.0",
        homepage: "https://example.org/library",
        licenses: [{ spdxId: "Zlib" }],
      },
      "what the set says of a dependency",
    );
    for (const strange of [await closureOf(odd), await closureOf(script)]) {
      assert.equal(strange.own?.homepage, undefined);
      assert.equal(strange.own?.licenses, undefined);
    }
  },
);

test(
  "every package of a revision has the same base as its first layer, whatever job it is in",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const { job } = await publishing(t, SET);
    const results = [...(await job("good")), ...(await job("other", "cacert"))];
    const packages = results.map((result) => {
      assert.ok(result.kind === "package");
      return result;
    });
    const base = packages[0]!.statement.parts[0]?.key;
    for (const { statement } of packages) {
      assert.equal(statement.parts[0]?.key, base, statement.name);
      assert.ok(statement.levels.every((level) => level[0] === 0));
    }
    const [, other, cacert] = packages;
    assert.equal(keysOf(cacert!).length, 1, "cacert is in the base, and nothing else is in it");
    assert.deepEqual(cacert!.layers, [], "a layer of the job is stated once");
    assert.ok(other!.layers.some(({ statement }) => statement.key === base));
  },
);

test(
  "without its base no package can be had, and the reason says so",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const { job } = await publishing(t, `${SET.replace("echo none", "exit 1; echo none")}`);
    const [good, cacert] = await job("good", "cacert");
    assert.ok(good?.kind === "failure" && cacert?.kind === "failure");
    assert.match(good.failure.message, /^cacert, which is in every image, cannot be built: /);
    assert.doesNotMatch(cacert.failure.message, /which is in every image/);
  },
);
