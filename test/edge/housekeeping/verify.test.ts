/** `firn verify` and `firn gc` as an operator runs them: what is broken is named, and repaired. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import type { Digest } from "../../../edge/contract/digest.ts";
import { blobPath, layerPath, packagePath } from "../../../edge/contract/keys.ts";
import type { PackageRecord } from "../../../edge/contract/records.ts";
import type { Finding } from "../../../edge/contract/verify.ts";
import { EXIT } from "../../../origin/commands/exit-codes.ts";
import { isBroken, type Verified, verify as runVerify } from "../../../origin/operator/verify.ts";
import { startOrigin, type TestOrigin } from "../registry/origin.ts";
import { imagesOf, putPackage, putPlan, SCOPE, send } from "../registry/support.ts";
import { PASSWORD } from "../registry/accounts.ts";
import { type KeptEdge, keysOf, startKeptEdge } from "./support.ts";

let firn: KeptEdge;
let origin: TestOrigin;
before(async () => {
  firn = await startKeptEdge();
  // Everything in the bucket is the origin's work, with its signatures.
  for (const key of await keysOf(firn.firn.bucket, "packages/")) await firn.firn.bucket.delete(key);
  origin = await startOrigin(firn.firn);
  for (const name of ["git", "curl/git", "jq"]) await pull(name);
});
after(async () => {
  await origin?.stop();
  await firn?.stop();
});

async function pull(name: string): Promise<void> {
  const answer = await send("GET", `${firn.firn.url}/v2/${name}/manifests/latest`);
  assert.equal(answer.status, 200, String(answer.body));
}
const run = (args: readonly string[], user = "root") =>
  execa(process.execPath, ["origin/main.ts", ...args], {
    env: { FIRN_EDGE: firn.firn.url, FIRN_USER: user, FIRN_PASSWORD: PASSWORD },
    reject: false,
  });
type Outcome = Verified & { readonly status: number };
/** The command itself, a process. */
async function command(...args: readonly string[]): Promise<Outcome> {
  const { stdout, stderr, exitCode } = await run(["verify", "--json", ...args]);
  assert.notEqual(stdout, "", stderr);
  return { ...(JSON.parse(stdout) as Verified), status: exitCode ?? -1 };
}
/** What the command does, in this process, and the status that it would end with. */
async function verify(...args: readonly ("--deep" | "--repair")[]): Promise<Outcome> {
  const options = { deep: args.includes("--deep"), repair: args.includes("--repair") };
  const verified = await runVerify(firn.client, { ...options, tell: () => undefined });
  return { ...verified, status: isBroken(verified) ? EXIT.found : 0 };
}
const counts = async (prefix: string): Promise<number> =>
  (await keysOf(firn.firn.bucket, prefix)).length;
const problems = (found: readonly Finding[]): string[] =>
  found.map(({ kind, what, problem }) => `${kind} ${what} ${problem}`).sort();
const record = async (name: string): Promise<PackageRecord> => {
  const object = await firn.firn.bucket.get(packagePath(SCOPE, name));
  return (await new Response(object?.body).json()) as PackageRecord;
};
const isThere = async (digest: Digest): Promise<boolean> =>
  (await firn.firn.bucket.head(blobPath(digest))) !== null;
const rewrite = (key: string, text: string): Promise<boolean> =>
  firn.firn.bucket.put(key, text, { contentType: "application/json", ifAbsent: false });

describe("firn verify", { concurrency: 1 }, () => {
  test("of a whole bucket finds nothing, and looks at all of it", async () => {
    const verified = await command("--deep");
    assert.deepEqual([verified.status, verified.found], [0, []]);
    assert.deepEqual(verified.looked, {
      blobs: await counts("blobs/"),
      plans: 0,
      packages: await counts("packages/"),
      layers: await counts("layers/"),
      indexes: await counts("index/"),
      images: await counts("images/"),
    });
    assert.ok((verified.looked.packages ?? 0) >= 5);
  });

  for (const [what, blobOf] of [
    ["layer", ({ layers }: PackageRecord) => layers.at(-1)?.digest],
    ["listing", ({ listing }: PackageRecord) => listing.digest],
    ["closure", ({ closure }: PackageRecord) => closure.digest],
  ] as const)
    test(`a lost ${what} is named, and made again to the same digest`, async () => {
      const digest = blobOf(await record("jq"));
      assert.ok(digest);
      await firn.firn.bucket.delete(blobPath(digest));
      const broken = await verify();
      assert.equal(broken.status, 3);
      const named = problems(broken.found);
      assert.ok(named.includes("packages jq lost"), named.join());
      assert.ok(broken.found.every(({ detail }) => detail.includes(blobPath(digest))));
      assert.equal(await isThere(digest), false, "nothing is done without --repair");
      const repaired = await verify("--repair");
      assert.equal(repaired.status, 0, JSON.stringify(repaired.repaired));
      assert.equal(repaired.repaired[packagePath(SCOPE, "jq")]?.state, "made");
      assert.ok(await isThere(digest));
      assert.deepEqual((await verify()).found, []);
    });

  test("a blob with other bytes is found by --deep alone, and made again", async () => {
    const digest = (await record("curl")).layers.at(-1)?.digest;
    assert.ok(digest);
    const object = await firn.firn.bucket.get(blobPath(digest));
    const bytes = new Uint8Array(await new Response(object?.body).arrayBuffer());
    bytes[bytes.length - 1] = 255 - (bytes.at(-1) ?? 0);
    await firn.firn.bucket.put(blobPath(digest), bytes, { contentType: "x", ifAbsent: false });
    assert.deepEqual((await verify()).found, []);
    const broken = await command("--deep");
    assert.equal(broken.status, 3);
    assert.deepEqual(problems(broken.found), [`blobs ${digest} damaged`]);
    const repaired = await command("--deep", "--repair");
    assert.equal(repaired.status, 0, JSON.stringify(repaired));
    assert.deepEqual((await verify("--deep")).found, []);
  });

  test("records that were changed are withdrawn: the next pull has them made", async () => {
    const git = packagePath(SCOPE, "git");
    await rewrite(git, JSON.stringify({ ...(await record("git")), version: "6.6.6" }));
    const layer = layerPath((await record("jq")).layers.at(-1)?.key ?? "");
    await rewrite(layer, "{");
    const [image = ""] = await imagesOf(firn.firn.bucket, "jq");
    const object = await firn.firn.bucket.get(image);
    const text = await new Response(object?.body).text();
    await rewrite(image, text.replaceAll("/bin/jq", "/bin/qj").replaceAll("created", "cre4ted"));
    const broken = problems((await verify()).found);
    assert.ok(broken.includes("packages git forged"), broken.join());
    assert.ok(
      broken.some((line) => /^layers \S+ damaged$/.test(line)),
      broken.join(),
    );
    assert.ok(
      broken.some((line) => /^images \S+ damaged$/.test(line)),
      broken.join(),
    );
    const repaired = await verify("--repair");
    assert.equal(repaired.status, 0, JSON.stringify(repaired.repaired));
    assert.equal(repaired.repaired[git]?.state, "withdrawn");
    assert.deepEqual((await verify()).found, []);
  });

  test("signed by nobody who is known: told, and left alone", async () => {
    const { signed, ...rest } = await record("jq");
    const strangers = signed.map((vouch) => ({ ...vouch, origin: "retired" }));
    await rewrite(packagePath(SCOPE, "jq"), JSON.stringify({ ...rest, signed: strangers }));
    const { status, found } = await verify("--repair");
    assert.deepEqual([status, problems(found)], [0, ["packages jq unvouched"]]);
    await rewrite(packagePath(SCOPE, "jq"), JSON.stringify({ ...rest, signed }));
  });

  test("a lost layer plan is a person's to repair", async () => {
    const plan = "5".repeat(64);
    await putPlan(firn.firn.bucket, plan);
    const { status, repaired } = await verify("--repair");
    assert.equal(status, 3);
    assert.match(Object.values(repaired)[0]?.message ?? "", /firn plan/);
    await firn.firn.bucket.delete("plans/starter.json");
  });

  test("without an origin what is lost cannot be made, and the status says so", async () => {
    await origin.stop();
    const { listing } = await putPackage(firn.firn.bucket, { name: "alone" });
    await firn.firn.bucket.delete(blobPath(listing.digest));
    const { status, found } = await verify();
    assert.equal(status, 3);
    assert.ok(problems(found).includes("packages alone lost"));
  });
});

test("firn gc shows what is in use; --delete says when the rest goes; --json is the counts", async () => {
  const shown = await run(["gc"]);
  assert.equal(shown.exitCode, 0, shown.stderr);
  assert.match(shown.stdout, /^ +IN USE +UNUSED +TO DELETE$/m);
  assert.match(shown.stdout, /^packages +\d+ +[\d.]+ kB +0 +0 B +0 +0 B$/m);
  assert.match(shown.stdout, /Pulls are recorded since /);
  const json = await run(["gc", "--delete", "--unused", "1d", "--grace", "10m", "--json"]);
  const { done, terms } = JSON.parse(json.stdout) as { done: boolean; terms: object };
  assert.deepEqual([done, terms], [true, { unused: 86_400, grace: 600, delete: true }]);
});

test("only an operator may, and wrong periods are told", async () => {
  for (const args of [["gc"], ["verify"]]) {
    const refused = await run(args, "ci");
    assert.match(refused.stderr, /answered 403: the account ci is not an operator/);
    assert.notEqual(refused.exitCode, 0);
  }
  assert.match((await run(["gc", "--unused", "1h"])).stderr, /from 1 d to 3650 d/);
});
