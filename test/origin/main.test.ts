/**
 * The `firn` command as an operator meets it: what is missing or wrong is said by the names that
 * can be set.
 */
import assert from "node:assert/strict";
import { verify } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { parseAccounts } from "../../edge/access/accounts.ts";
import { verifyPassword } from "../../edge/contract/account.ts";
import { configuredOrigins } from "../../edge/farm/origins/configured-origins.ts";
import { readSigningKey } from "../../edge/referrers/signing-key.ts";
import { readOriginKey } from "../../origin/channel/key.ts";
import { fileText } from "../../origin/process.ts";
import { removeTree, tempDir } from "../harness/temp.ts";

const MAIN = join(import.meta.dirname, "../../origin/main.ts");

const userWith = (input: string) =>
  execa(process.execPath, [MAIN, "user", "ci", "--password-stdin"], { input, reject: false });

describe("the firn command", () => {
  let dir: string;
  before(async () => {
    dir = await tempDir("main");
  });
  after(() => removeTree(dir));
  /** With nothing set but what Node and Nix need. */
  const firn = (args: string[], env: Record<string, string> = {}) =>
    execa(process.execPath, [MAIN, ...args], {
      env: { PATH: process.env["PATH"], HOME: dir, ...env },
      extendEnv: false,
      reject: false,
    });

  test("keygen writes a private key for its owner alone, prints the public, overwrites none", async () => {
    const out = join(dir, "rack-1.key");
    const made = await firn(["keygen", "--name", "rack-1", "--out", out]);
    assert.equal(made.exitCode, 0, made.stderr);
    assert.equal((await stat(out)).mode & 0o777, 0o600);
    readOriginKey(fileText(out));
    assert.deepEqual([...configuredOrigins({ ORIGINS: made.stdout }).keys()], ["rack-1"]);
    const { d } = JSON.parse(fileText(out)) as { d: string };
    assert.ok(!made.stdout.includes(d), "the private half was printed");
    const text = fileText(out);
    const again = await firn(["keygen", "--name", "rack-1", "--out", out]);
    assert.equal(again.exitCode, 1);
    assert.match(again.stderr, /exists already/);
    assert.equal(fileText(out), text);
  });

  test("signing-key writes a key that the edge takes, and prints the public half", async () => {
    const out = join(dir, "registry.key");
    const made = await firn(["signing-key", "--out", out]);
    assert.equal(made.exitCode, 0, made.stderr);
    assert.equal((await stat(out)).mode & 0o777, 0o600);
    const key = await readSigningKey({ SIGNING_KEY: fileText(out) });
    const message = new TextEncoder().encode("signed");
    const signature = key?.sign(message) ?? new Uint8Array();
    assert.ok(verify("sha256", message, made.stdout, signature));
    assert.deepEqual(key?.sign(message), signature, "the same at any time");
    assert.equal((await firn(["signing-key", "--out", out])).exitCode, 1);
  });

  test("user prints an account that the edge takes, and its password apart from it", async () => {
    const made = await firn(["user", "ci", "--no-build", "--names", "shell*"]);
    assert.equal(made.exitCode, 0, made.stderr);
    const account = parseAccounts(made.stdout).get("ci");
    assert.deepEqual(account?.names, ["shell*"]);
    assert.equal(account?.build, false);
    const password = /^password: (\S{27,})$/m.exec(made.stderr)?.[1] ?? "";
    assert.equal(await verifyPassword(password, account?.password), true);
    assert.doesNotMatch(made.stdout, new RegExp(password));
  });
  test("user takes a password from standard input, when it is long enough", async () => {
    const made = await userWith("correct horse battery\n");
    const account = parseAccounts(made.stdout).get("ci");
    assert.equal(await verifyPassword("correct horse battery", account?.password), true);
    assert.match((await userWith("short\n")).stderr, /5 characters; it must have 12/);
    assert.match((await firn(["user", "a:b"])).stderr, /"a:b" is not a valid account name/);
  });

  const SET = {
    FIRN_EDGES: "https://firn.example",
    ORIGIN_NAME: "a",
    PACKAGE_SET: "starter",
    S3_ENDPOINT: "http://127.0.0.1:1",
    S3_BUCKET: "b",
  };
  for (const [what, env, says] of [
    ["no edges", {}, /--edges.*FIRN_EDGES is not set/],
    ["an edge that is no URL", { ...SET, FIRN_EDGES: "ftp://x" }, /FIRN_EDGES.*https:\/\/HOST/],
    ["no slots", { ...SET, SLOTS: "0" }, /SLOTS.*from 1 to 256/],
    [
      "a system that Firn does not know",
      { ...SET, SYSTEMS: "x86_64-darwin" },
      /SYSTEMS.*x86_64-linux, aarch64-linux/,
    ],
    [
      "a key file that is not there",
      { ...SET, ORIGIN_KEY_FILE: "/nonexistent" },
      /cannot read \/nonexistent/,
    ],
    [
      "a key file that holds no key",
      { ...SET, ORIGIN_KEY_FILE: "/etc/hostname" },
      /^firn: \/etc\/hostname: .*Ed25519 private key.*firn keygen/,
    ],
  ] as const) {
    test(`origin with ${what}`, async () => {
      const { exitCode, stderr } = await firn(["origin"], env);
      assert.equal(exitCode, 2);
      assert.match(stderr, says);
    });
  }

  test("a password in a URL is not shown", async () => {
    const { exitCode, stderr } = await firn(["origin"], {
      ...SET,
      FIRN_EDGES: "https://ci:hunter2@firn.example",
    });
    assert.equal(exitCode, 2);
    assert.match(stderr, /https:\/\/…@firn\.example.*carries no user and password/);
    assert.doesNotMatch(stderr, /hunter2/);
  });

  test("a secret is not written where there is no directory, which is said", async () => {
    const out = join(dir, "nowhere/rack-1.key");
    const { exitCode, stderr } = await firn(["keygen", "--name", "rack-1", "--out", out]);
    assert.equal(exitCode, 1);
    assert.ok(stderr.startsWith(`firn: cannot write ${out}: ENOENT`), stderr);
  });

  test("a pipe that is closed before all is written is no error", async () => {
    const script = '"$0" "$1" push --help | true';
    const { stderr } = await execa("sh", ["-c", script, process.execPath, MAIN]);
    assert.equal(stderr, "");
  });

  test("secrets are variables only, and are asked for by name", async () => {
    const { exitCode, stderr } = await firn(["origin", "--key-file", join(dir, "rack-1.key")], SET);
    assert.equal(exitCode, 2);
    assert.match(
      stderr,
      /S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are not set: set all of .* or none, and the edge signs/,
    );
    const plan = await firn(["plan"], SET);
    assert.match(plan.stderr, /S3_ACCESS_KEY_ID is not set/);
    const help = await firn(["origin", "--help"]);
    assert.doesNotMatch(help.stdout, /--s3-secret/);
  });
});
