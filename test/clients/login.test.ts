/**
 * Every client, and a node of Kubernetes with a pull secret, signs in, pulls, and signs out, in
 * each mode that asks.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { PASSWORD, startWithAccounts } from "../edge/registry/accounts.ts";
import { type TestEdge } from "../edge/registry/support.ts";
import { type Client, PULLERS } from "../harness/clients/index.ts";
import { forEachClient } from "./each-client.ts";

const DENIED =
  /\b40[13]\b|invalid username|denied|unauthorized|authentication required|authorization failed/i;

/** ctr and the kubelet have no login: their password is tried with the pull. */
async function loginAndPull(client: Client, host: string): Promise<void> {
  await client.login(host, "ci", "wrong horse battery");
  await client.pull(`${host}/not-made-yet`);
}

for (const mode of ["cached", "private"] as const) {
  describe(`login, ACCESS=${mode}`, () => {
    let firn: TestEdge;
    let host: string;
    before(async () => {
      firn = await startWithAccounts({ ci: {} }, { ACCESS: mode });
      ({ host } = new URL(firn.url));
    });
    after(() => firn?.stop());

    forEachClient({ kinds: PULLERS, url: () => firn.url }, (given) => {
      const { skip } = given;
      test("before login", { skip }, async () => {
        const { client } = given;
        if (mode === "cached") await client.pull(`${host}/git`);
        else await assert.rejects(client.pull(`${host}/git`), DENIED);
      });
      test("a build takes an account", { skip }, async () => {
        const { client } = given;
        await assert.rejects(client.pull(`${host}/not-made-yet`), DENIED);
      });
      test("login with a wrong password fails", { skip }, async () => {
        const { client } = given;
        await assert.rejects(loginAndPull(client, host), DENIED);
      });
      test("login, pull", { skip }, async () => {
        const { client } = given;
        await client.login(host, "ci", PASSWORD);
        await client.pull(`${host}/git/curl`);
        assert.equal(await client.architecture(`${host}/git/curl`), "amd64");
      });
      test(
        "signed in, a build is asked for: no origin is connected, which it says",
        { skip },
        async () => {
          const { client } = given;
          await assert.rejects(client.pull(`${host}/not-made-yet`), (error: Error) => {
            assert.doesNotMatch(error.message, DENIED);
            assert.match(error.message, /no origin for x86_64-linux is connected to this registry/);
            return true;
          });
        },
      );
      test("logout", { skip }, async () => {
        const { client } = given;
        await client.logout(host);
        await assert.rejects(client.pull(`${host}/curl/not-made-yet`), DENIED);
      });
    });
  });
}
