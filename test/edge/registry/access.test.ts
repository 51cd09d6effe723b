/** Signing in, against the real Worker: who gets what, in each mode of ACCESS. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { signToken } from "../../../edge/access/token.ts";
import {
  basic,
  bearer,
  KNOWN,
  PASSWORD,
  startWithAccounts,
  tokenFor,
  UNKNOWN,
  withAccounts,
} from "./accounts.ts";
import {
  type Answer,
  errorsOf,
  putTag,
  REVISION,
  send,
  startTestEdge,
  type TestEdge,
} from "./support.ts";

const start = (mode: string, more: Record<string, string> = {}): Promise<TestEdge> =>
  startWithAccounts(
    {
      ci: {},
      reader: { build: false },
      narrow: { names: ["git*"], packages: { deny: ["curl"] } },
    },
    { ACCESS: mode, ...more },
  );

const isChallenge = (answer: Answer, { url }: TestEdge, scope?: string): void => {
  assert.equal(answer.status, 401);
  assert.equal(errorsOf(answer)[0]?.code, "UNAUTHORIZED");
  const { host } = new URL(url);
  const scoped = scope ? `,scope="repository:${scope}:pull"` : "";
  const want = `Bearer realm="${url}/token",service="${host}"${scoped}`;
  assert.equal(
    answer.headers["www-authenticate"]?.startsWith(want),
    true,
    `not ${want}: ${answer.headers["www-authenticate"]}`,
  );
};

describe("ACCESS=cached", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await start("cached");
  });
  after(() => firn?.stop());
  const get = (path: string, headers = {}): Promise<Answer> =>
    send("GET", firn.url + path, headers);

  test("anybody pulls what is known", async () => {
    assert.equal((await get(KNOWN)).status, 200);
    assert.equal((await get(KNOWN, bearer(await tokenFor(firn, null, "git")))).status, 200);
  });
  test("/v2/ tells where to sign in, and takes a token", async () => {
    isChallenge(await get("/v2/"), firn);
    assert.equal((await get("/v2/", bearer(await tokenFor(firn, null)))).status, 200);
  });
  test("a build takes an account: 401 at first, 403 to whoever came back with nobody's token", async () => {
    isChallenge(await get(UNKNOWN), firn, "not-made-yet");
    const nobody = await get(UNKNOWN, bearer(await tokenFor(firn, null, "not-made-yet")));
    assert.equal(nobody.status, 403);
    assert.match(errorsOf(nobody)[0]?.message ?? "", /requires an account.*docker login/);
  });
  test("a build takes an account that may build", async () => {
    const reader = await get(UNKNOWN, bearer(await tokenFor(firn, "reader", "not-made-yet")));
    assert.equal(reader.status, 403);
    assert.match(
      errorsOf(reader)[0]?.message ?? "",
      /requires an account that may build; reader may not/,
    );
    // No origin is connected: 503 says that the build was asked for.
    const ci = await get(UNKNOWN, bearer(await tokenFor(firn, "ci", "not-made-yet")));
    assert.equal(ci.status, 503, String(ci.body));
  });
});

describe("ACCESS=cached, a set with many tags", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await start("cached", { PACKAGE_SET: "channel:nixos-unstable" });
  });
  after(() => firn?.stop());

  test("resolving a tag that nobody asked for before takes an account", async () => {
    isChallenge(await send("GET", `${firn.url}/v2/git/manifests/nixos-24.05`), firn, "git");
    const token = bearer(await tokenFor(firn, "ci", "git"));
    const asked = await send("GET", `${firn.url}/v2/git/manifests/nixos-24.05`, token);
    assert.equal(asked.status, 503, "with one, an origin is asked, and none is connected");
  });
});

describe("ACCESS=private", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await start("private");
  });
  after(() => firn?.stop());
  const get = (path: string, headers = {}): Promise<Answer> =>
    send("GET", firn.url + path, headers);

  test("nothing without an account: no manifest, no blob, no list, no token", async () => {
    const made = await get(KNOWN, bearer(await tokenFor(firn, "ci", "git")));
    assert.equal(made.status, 200, String(made.body));
    const digest = String(made.headers["docker-content-digest"]);
    for (const path of [
      KNOWN,
      `/v2/git/manifests/${digest}`,
      `/v2/git/blobs/${digest}`,
      "/v2/git/tags/list",
      `/v2/git/referrers/${digest}`,
    ])
      isChallenge(await get(path), firn, "git");
    const token = await get("/token?scope=repository:git:pull");
    assert.equal(token.status, 401);
    assert.match(errorsOf(token)[0]?.message ?? "", /private/);
  });
  test("answers are for nobody else: Cache-Control is private, by tag and by digest", async () => {
    const headers = bearer(await tokenFor(firn, "ci", "git"));
    const made = await get(KNOWN, headers);
    const digest = String(made.headers["docker-content-digest"]);
    const layer = (JSON.parse(String(made.body)) as { layers: { digest: string }[] }).layers[0];
    const answers = [
      made,
      await get(`/v2/git/manifests/${digest}`, headers),
      await get(`/v2/git/blobs/${layer?.digest}`, headers),
    ];
    for (const answer of answers) {
      assert.equal(answer.status, 200);
      assert.match(answer.headers["cache-control"] ?? "", /^private/);
    }
  });
  test("a token is for the images that it names, and grants are never wider than asked", async () => {
    const headers = bearer(await tokenFor(firn, "ci", "git"));
    const other = await get("/v2/curl/manifests/latest", headers);
    isChallenge(other, firn, "curl");
    assert.match(other.headers["www-authenticate"] ?? "", /error="insufficient_scope"/);
    const both = bearer(await tokenFor(firn, "ci", "git", "curl"));
    assert.equal((await get("/v2/curl/manifests/latest", both)).status, 200);
  });
  test("a forged token is a 401 that says so", async () => {
    const [head, claims] = (await tokenFor(firn, "ci", "git")).split(".");
    const answer = await get(KNOWN, bearer(`${head}.${claims}.${"A".repeat(43)}`));
    isChallenge(answer, firn, "git");
    assert.match(answer.headers["www-authenticate"] ?? "", /error="invalid_token"/);
  });
  test("a token of an account that is gone is worth nothing, here or at /v2/", async () => {
    const key = new TextEncoder().encode(withAccounts({}).TOKEN_KEY);
    const context = { key, audience: new URL(firn.url).host, now: Date.now() };
    const tokenOf = async (account: string) =>
      bearer(await signToken({ account, images: ["git"] }, context));
    assert.equal((await get(KNOWN, await tokenOf("ci"))).status, 200);
    for (const path of [KNOWN, "/v2/"]) {
      const answer = await get(path, await tokenOf("gone"));
      isChallenge(answer, firn, path === KNOWN ? "git" : undefined);
      assert.match(answer.headers["www-authenticate"] ?? "", /error="invalid_token"/);
    }
  });
  test("an account's lists hold", async () => {
    const token = bearer(await tokenFor(firn, "narrow", "git", "curl", "git/curl"));
    assert.equal((await get(KNOWN, token)).status, 200);
    for (const [name, why] of [
      ["curl", /it may pull images whose names match git\*/],
      ["git/curl", /curl is denied/],
    ] as const) {
      const refused = await get(`/v2/${name}/manifests/latest`, token);
      assert.equal(refused.status, 403);
      assert.equal(errorsOf(refused)[0]?.code, "DENIED");
      assert.match(errorsOf(refused)[0]?.message ?? "", why);
      const digest = `sha256:${"0".repeat(64)}`;
      for (const path of [
        `referrers/${digest}`,
        `manifests/${digest}`,
        `manifests/${digest.replace(":", "-")}.sig`,
        `blobs/${digest}`,
      ])
        assert.equal((await get(`/v2/${name}/${path}`, token)).status, 403, path);
    }
  });
});

describe("the token endpoint", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await start("private");
  });
  after(() => firn?.stop());
  const post = (form: Record<string, string>): Promise<Response> =>
    fetch(`${firn.url}/token`, { method: "POST", body: new URLSearchParams(form) });

  test("GET with Basic: what docker reads", async () => {
    const answer = await send(
      "GET",
      `${firn.url}/token?account=ci&client_id=docker&offline_token=true`,
      basic("ci"),
    );
    assert.equal(answer.status, 200);
    const body = JSON.parse(String(answer.body)) as Record<string, unknown>;
    assert.equal(body["token"], body["access_token"]);
    assert.equal(body["expires_in"], 300);
    assert.ok(Math.abs(Date.parse(String(body["issued_at"])) - Date.now()) < 60_000);
    assert.equal(answer.headers["cache-control"], "no-store");
  });
  test("POST with a form: what containerd sends", async () => {
    const answer = await post({
      grant_type: "password",
      service: "x",
      scope: "repository:git:pull",
      username: "ci",
      password: PASSWORD,
    });
    assert.equal(answer.status, 200);
    const { token } = (await answer.json()) as { token: string };
    assert.equal((await send("GET", firn.url + KNOWN, bearer(token))).status, 200);
  });
  test("another grant is a 400, on which containerd asks with GET", async () => {
    const answer = await post({ grant_type: "refresh_token", refresh_token: "x" });
    assert.equal(answer.status, 400);
    assert.deepEqual(await answer.json(), { error: "unsupported_grant_type" });
  });
  test("a form that no client sends is a 413", async () => {
    assert.equal(
      (await post({ grant_type: "password", username: "x".repeat(20_000) })).status,
      413,
    );
  });
  for (const [title, user, given] of [
    ["a wrong password", "ci", "wrong horse battery"],
    ["an unknown user", "nobody", PASSWORD],
    ["a user of the object's own prototype", "__proto__", PASSWORD],
  ] as const)
    test(`${title} is the same 401, logged without the password`, async () => {
      const answer = await send("GET", `${firn.url}/token`, basic(user, given));
      assert.equal(answer.status, 401);
      assert.equal(errorsOf(answer)[0]?.message, "the user or the password is wrong");
      const lines = await firn.logged("login.failed");
      assert.doesNotMatch(JSON.stringify(firn.log), new RegExp(given));
      assert.ok(lines.length > 0);
    });
  test("other methods are refused", async () => {
    assert.equal((await send("DELETE", `${firn.url}/token`)).status, 405);
  });
});

describe("ACCESS=public with accounts", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await start("public");
  });
  after(() => firn?.stop());

  test("anybody pulls and builds; docker login works", async () => {
    assert.equal((await send("GET", firn.url + KNOWN)).status, 200);
    assert.equal((await send("GET", firn.url + UNKNOWN)).status, 503);
    isChallenge(await send("GET", `${firn.url}/v2/`), firn);
    const token = bearer(await tokenFor(firn, "ci"));
    assert.equal((await send("GET", `${firn.url}/v2/`, token)).status, 200);
  });
});

describe("the package policy", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startTestEdge({ PACKAGES_DENY: "git pkgs*", BUILD_WAIT: "1" });
    await putTag(firn.bucket, "latest", REVISION);
  });
  after(() => firn?.stop());

  test("a denied package is a 403 that names the rule, and asks nobody", async () => {
    const answer = await send("GET", `${firn.url}/v2/shell/pkgsstatic.bash/manifests/latest`);
    assert.equal(answer.status, 403);
    assert.match(errorsOf(answer)[0]?.message ?? "", /pkgsstatic\.bash .* denies pkgs\*/);
    assert.equal((await send("GET", firn.url + UNKNOWN)).status, 503, "others are asked for");
  });
});
