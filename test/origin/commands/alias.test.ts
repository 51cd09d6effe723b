/** `firn alias` as a person runs it, against a real edge. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { execa } from "execa";
import { hashPassword } from "../../../edge/contract/account.ts";
import { startTestEdge, type TestEdge } from "../../edge/registry/support.ts";

const PASSWORD = "correct horse battery";
let open: TestEdge;
let closed: TestEdge;
before(async () => {
  open = await startTestEdge();
  closed = await startTestEdge({
    ACCESS: "private",
    TOKEN_KEY: "0123456789abcdef0123456789abcdef",
    ACCOUNTS: JSON.stringify({ ci: { password: await hashPassword(PASSWORD) } }),
  });
});
after(() => Promise.all([open?.stop(), closed?.stop()]));

const run = (args: readonly string[], env: Record<string, string>, input = "") =>
  execa(process.execPath, ["origin/main.ts", "alias", ...args], { env, input, reject: false });

test("prints the command that pulls the packages; --image tells less, --json more", async () => {
  const env = { FIRN_EDGE: open.url };
  const { host } = new URL(open.url);
  const made = await run(["shell", "git", "curl"], env);
  assert.equal(made.exitCode, 0, made.stderr);
  const [, name = ""] = /^docker pull (\S+)$/.exec(made.stdout) ?? [];
  assert.match(name, new RegExp(`^${host}/x/[0-9a-f]{40}$`));
  assert.equal((await run(["--image", "curl", "git", "shell"], env)).stdout, name);
  const read = await run(["-", "--json"], env, "git\ncurl,  shell\n");
  assert.deepEqual(JSON.parse(read.stdout), {
    key: name.split("/").at(-1),
    name: name.slice(host.length + 1),
    packages: ["curl", "git"],
    shell: true,
    pull: `docker pull ${name}`,
  });
});

test("what the edge refuses is said in its words, with status 1", async () => {
  const wrong = await run(["Git"], { FIRN_EDGE: open.url });
  assert.equal(wrong.exitCode, 1);
  assert.match(wrong.stderr, /component "Git" of the image name has capitals/);
});

test("a private registry takes an account, from the environment", async () => {
  const env = { FIRN_EDGE: closed.url };
  const nobody = await run(["git"], env);
  assert.equal(nobody.exitCode, 5);
  assert.match(nobody.stderr, /\(401\): sign in with `docker login`/);
  const signedIn = await run(["git"], { ...env, FIRN_USER: "ci", FIRN_PASSWORD: PASSWORD });
  assert.equal(signedIn.exitCode, 0, signedIn.stderr);
});
