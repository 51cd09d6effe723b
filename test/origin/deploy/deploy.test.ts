/** `firn deploy`: each mistake in wrangler.toml is told before anything is uploaded. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { generateOriginKey } from "../../../origin/channel/key.ts";
import { problemsOf, remarksOn, type Secrets } from "../../../origin/deploy/check.ts";
import { readDeployment, readSecrets } from "../../../origin/deploy/deployment.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";

const ROOT = join(import.meta.dirname, "../../..");
const TOML = await readFile(join(ROOT, "wrangler.toml"), "utf8");
const ORIGINS = JSON.stringify({ "rack-1": { key: generateOriginKey().publicKey } });
/** What an operator has to fill in for production. */
const FILLED: Readonly<Record<string, string>> = {
  EDGE_HOST: "registry.example.org",
  ORIGINS,
  S3_ENDPOINT: "https://0123.r2.cloudflarestorage.com",
};
const KEPT = ["ACCOUNTS", "TOKEN_KEY", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"];
const NO_SECRETS: Secrets = { given: {}, kept: [] };
const ALL_SECRETS: Secrets = { given: {}, kept: KEPT };

const QUIET = {
  CI: "1",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};

/** Without login and home: neither Cloudflare's API nor the caller's account is asked. */
const firn = (home: string, config: string) =>
  execa(
    process.execPath,
    ["origin/main.ts", "deploy", "--env", "production", "--dry-run", "--config", config],
    {
      cwd: ROOT,
      env: { PATH: process.env["PATH"], HOME: home, ...QUIET },
      extendEnv: false,
      reject: false,
      all: true,
    },
  );

/** The configuration as it may stand in another directory, without the page. */
const elsewhere = (directory: string) => (toml: string) =>
  toml
    .replace('main = "edge/worker.ts"', `main = "${join(ROOT, "edge/worker.ts")}"`)
    .replace('directory = "dist/site"', `directory = "${directory}"`)
    .replace(/^\[build\]\n.*\n.*\n/m, "");

describe("firn deploy", () => {
  let dir: string;
  before(async () => {
    dir = await tempDir("deploy");
  });
  after(() => removeTree(dir));

  /** wrangler.toml with other production variables; undefined takes one out. */
  async function written(
    vars: Readonly<Record<string, string | undefined>>,
    change: (toml: string) => string = (toml) => toml,
  ): Promise<string> {
    const [above = "", production = ""] = TOML.split("[env.production.vars]");
    const lines = production
      .split("\n")
      .filter((line) => !Object.keys(vars).some((name) => line.startsWith(`${name} =`)));
    const set = Object.entries(vars).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name} = '${value}'`],
    );
    const file = join(dir, "wrangler.toml");
    const toml = `${above}[env.production.vars]\n${[...set, ...lines].join("\n")}`;
    await writeFile(file, change(toml));
    return file;
  }
  const problems = async (
    vars: Readonly<Record<string, string | undefined>>,
    secrets: Secrets = ALL_SECRETS,
    change?: (toml: string) => string,
  ): Promise<string[]> =>
    problemsOf(readDeployment({ config: await written(vars, change), env: "production" }), secrets);

  test("the repository's environments lack what only their operator knows, and nothing else", async () => {
    for (const env of ["staging", "production"]) {
      const deployment = readDeployment({ config: join(ROOT, "wrangler.toml"), env });
      const found = await problemsOf(deployment, ALL_SECRETS);
      assert.deepEqual(
        found.map((problem) => problem.split(" ")[0]),
        ["EDGE_HOST", "ORIGINS", "S3_BUCKET"],
        `${env}: ${found.join("\n")}`,
      );
    }
  });

  test("a filled-in environment has no problem", async () => {
    assert.deepEqual(await problems(FILLED), []);
  });

  test("where the secrets cannot be seen, they count as there", async () => {
    assert.deepEqual(await problems(FILLED, { given: {}, kept: null }), []);
  });

  const MISTAKES: readonly [string, Readonly<Record<string, string | undefined>>, RegExp][] = [
    ["a loopback EDGE_HOST", { EDGE_HOST: "127.0.0.1:8787" }, /^EDGE_HOST has 127\.0\.0\.1:8787/],
    ["no EDGE_HOST", { EDGE_HOST: undefined }, /^EDGE_HOST is not set/],
    ["no PACKAGE_SET", { PACKAGE_SET: undefined }, /^PACKAGE_SET is not set/],
    ["a PACKAGE_SET of no form", { PACKAGE_SET: "nixpkgs" }, /package set "nixpkgs" is unknown/],
    ["ORIGINS that is no JSON", { ORIGINS: "{rack-1}" }, /ORIGINS/],
    ["an origin's key that is none", { ORIGINS: '{"rack-1":{"key":"x"}}' }, /ORIGINS.*rack-1/],
    ["a secret among the variables", { TOKEN_KEY: "k".repeat(40) }, /^TOKEN_KEY is a secret/],
    ["a misspelt variable", { PAKAGE_SET: "starter" }, /^PAKAGE_SET is no variable/],
    ["another bucket for uploads", { S3_BUCKET: "elsewhere" }, /S3_BUCKET is elsewhere/],
    ["an ACCESS that does not exist", { ACCESS: "open" }, /ACCESS must be one of/],
    ["more owners than there are", { AGREE: "2" }, /AGREE is 2/],
  ];
  for (const [title, vars, expected] of MISTAKES)
    test(`says: ${title}`, async () => {
      const found = await problems({ ...FILLED, ...vars });
      assert.equal(found.length, 1, found.join("\n"));
      assert.match(found[0] ?? "", expected);
    });

  test("says which secrets ACCESS and S3_* need", async () => {
    const found = await problems(FILLED, NO_SECRETS);
    assert.match(found.join("\n"), /ACCESS=cached needs ACCOUNTS/);
    assert.match(found.join("\n"), /S3_ACCESS_KEY_ID is not set/);
    const half = await problems(FILLED, { given: {}, kept: KEPT.filter((n) => n !== "TOKEN_KEY") });
    assert.match(half.join("\n"), /ACCOUNTS needs TOKEN_KEY/);
  });

  test("checks the values of secrets that the deployment brings", async () => {
    const found = await problems(FILLED, { given: { TOKEN_KEY: "short" }, kept: KEPT });
    assert.match(found.join("\n"), /TOKEN_KEY: a secret of 32 characters/);
  });

  test("reads secrets as JSON or lines; a $ in lines is refused, which wrangler would expand", async () => {
    const file = join(dir, "secrets");
    await writeFile(file, '{"TOKEN_KEY": "a$b"}');
    assert.deepEqual(await readSecrets(file), { TOKEN_KEY: "a$b" });
    await writeFile(file, "TOKEN_KEY=abc\nS3_ACCESS_KEY_ID=id\n");
    assert.deepEqual(
      { ...(await readSecrets(file)) },
      { TOKEN_KEY: "abc", S3_ACCESS_KEY_ID: "id" },
    );
    await writeFile(file, "TOKEN_KEY=a$b\n");
    await assert.rejects(readSecrets(file), /have a \$, so write them as JSON/);
  });

  test("says which bindings an environment forgot to repeat", async () => {
    const found = await problems(FILLED, ALL_SECRETS, (toml) => {
      const [above = "", production = ""] = toml.split("# --- Production ---");
      const less = production.replace(/^.*HOUSEKEEPING.*$/m, "");
      return `${above}# --- Production ---${less}`;
    });
    assert.deepEqual(found, [
      "the Durable Object HOUSEKEEPING is not bound: its class_name is Housekeeping",
    ]);
  });

  test("remarks on what is allowed and rarely meant", async () => {
    const config = await written({ ...FILLED, ALLOW_UNSAFE_ORIGINS: "on", S3_ENDPOINT: undefined });
    const remarks = remarksOn(readDeployment({ config, env: "production" }), NO_SECRETS);
    assert.equal(remarks.length, 3, remarks.join("\n"));
  });

  test("a configuration that is no TOML, and an environment that is not there, are errors", async () => {
    const broken = await written({}, () => "name = ");
    assert.throws(() => readDeployment({ config: broken, env: undefined }), /cannot be read/);
    assert.throws(
      () => readDeployment({ config: `${broken}.old`, env: undefined }),
      /\.old does not exist/,
    );
    const config = await written({});
    assert.throws(
      () => readDeployment({ config, env: "prod" }),
      /has no environment prod: it has staging, production/,
    );
  });

  test("the command: every problem and exit status 2; complete, wrangler's dry run", async () => {
    const refused = await firn(
      dir,
      await written({ ...FILLED, EDGE_HOST: "localhost", AGREE: "2" }),
    );
    assert.equal(refused.exitCode, 2, refused.all);
    assert.match(
      refused.stderr,
      /firn-production was not deployed:\n {2}- EDGE_HOST.*\n {2}- AGREE/,
    );

    const done = await firn(dir, await written(FILLED, elsewhere(dir)));
    assert.equal(done.exitCode, 0, done.all);
    assert.match(done.all ?? "", /the configuration is complete/);
    assert.match(done.all ?? "", /env\.HOUSEKEEPING/);
    assert.match(done.all ?? "", /--dry-run: exiting now/);
  });
});
