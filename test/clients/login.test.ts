/** docker, containerd, podman and skopeo sign in, pull, and sign out, in each mode that asks. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { hashPassword } from "../../edge/contract/account.ts";
import {
  putBase,
  putPackage,
  putTag,
  REVISION,
  startTestEdge,
  type TestEdge,
} from "../edge/registry/support.ts";
import { unavailable } from "../harness/available.ts";
import { type Client, CLIENTS } from "../harness/clients/index.ts";

const PASSWORD = "correct horse battery";
const DENIED =
  /\b40[13]\b|invalid username|denied|unauthorized|authentication required|authorization failed/i;

/** ctr has no login: its password is tried with the pull. */
async function loginAndPull(client: Client, host: string): Promise<void> {
  await client.login(host, "ci", "wrong horse battery");
  await client.pull(`${host}/not-made-yet`);
}

for (const mode of ["cached", "private"] as const) {
  describe(`login, ACCESS=${mode}`, () => {
    let firn: TestEdge;
    let host: string;
    before(async () => {
      firn = await startTestEdge({
        ACCESS: mode,
        ACCOUNTS: JSON.stringify({ ci: { password: await hashPassword(PASSWORD) } }),
        TOKEN_KEY: "0123456789abcdef0123456789abcdef",
        BUILD_WAIT: "1",
      });
      ({ host } = new URL(firn.url));
      await putBase(firn.bucket);
      for (const name of ["git", "curl"]) await putPackage(firn.bucket, { name });
      await putTag(firn.bucket, "latest", REVISION);
    });
    after(() => firn?.stop());

    for (const kind of CLIENTS) {
      describe(kind.name, async () => {
        const skip = await unavailable(kind.needs, { root: true });
        let client: Client;
        before(async () => {
          if (skip === false) client = await kind.open();
        });
        after(() => client?.close());

        test("before login", { skip }, async () => {
          if (mode === "cached") await client.pull(`${host}/git`);
          else await assert.rejects(client.pull(`${host}/git`), DENIED);
        });
        test("a build takes an account", { skip }, async () => {
          await assert.rejects(client.pull(`${host}/not-made-yet`), DENIED);
        });
        test("login with a wrong password fails", { skip }, async () => {
          await assert.rejects(loginAndPull(client, host), DENIED);
        });
        test("login, pull", { skip }, async () => {
          await client.login(host, "ci", PASSWORD);
          await client.pull(`${host}/git/curl`);
          assert.equal(await client.architecture(`${host}/git/curl`), "amd64");
        });
        test(
          "signed in, a build is asked for: no origin is connected, which it says",
          { skip },
          async () => {
            await assert.rejects(client.pull(`${host}/not-made-yet`), (error: Error) => {
              assert.doesNotMatch(error.message, DENIED);
              return true;
            });
          },
        );
        test("logout", { skip }, async () => {
          await client.logout(host);
          await assert.rejects(client.pull(`${host}/curl/not-made-yet`), DENIED);
        });
      });
    }
  });
}
