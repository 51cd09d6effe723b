/**
 * Ways round accounts, against real Workers: past the sign-in, with tokens of others, by digests,
 * by guessing, and by being expensive.
 */
import assert from "node:assert/strict";
import { after, before, describe, type Mock, mock, test } from "node:test";
import { verifyPassword } from "../../edge/contract/account.ts";
import {
  type Answer,
  errorsOf,
  putBase,
  putBlob,
  putPackage,
  putRevision,
  SCOPE,
  send,
  type TestEdge,
} from "../edge/registry/support.ts";
import {
  basic,
  bearer,
  HASH,
  KNOWN,
  PASSWORD,
  scopesOf,
  startWithAccounts,
  tokenFor,
} from "../edge/registry/accounts.ts";
import { raw } from "./raw.ts";

const start = (env: Readonly<Record<string, string>>): Promise<TestEdge> =>
  startWithAccounts(
    {
      ci: {},
      narrow: { names: ["git"], packages: { deny: ["curl"] } },
      boss: { operator: true },
      small: { limits: { requests: "3/3600" } },
    },
    { CLIENT_ADDRESS_HEADER: "X-Client", ...env },
  );

/** A token that nobody signed. */
const unsigned = (): string =>
  [
    { alg: "none", typ: "firn-pull+jwt" },
    { iss: "firn", sub: "ci", images: ["git"], exp: 4e9, iat: 1e9 },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".")
    .concat(".");

describe("past the sign-in of a private registry", () => {
  let firn: TestEdge;
  let digest = "";
  let layer = "";
  before(async () => {
    firn = await start({ ACCESS: "private" });
    const headers = bearer(await tokenFor(firn, "ci", "git"));
    // An account has just pulled: whatever can be remembered is.
    const pulled = await send("GET", firn.url + KNOWN, headers);
    assert.equal(pulled.status, 200, String(pulled.body));
    digest = String(pulled.headers["docker-content-digest"]);
    layer = (JSON.parse(String(pulled.body)) as { layers: { digest: string }[] }).layers[0]!.digest;
    for (const path of [`/v2/git/manifests/${digest}`, `/v2/git/blobs/${layer}`])
      assert.equal((await send("GET", firn.url + path, headers)).status, 200);
  });
  after(() => firn?.stop());

  const tricks: readonly (readonly [what: string, path: () => string, headers?: string[]])[] = [
    ["nothing at all", () => KNOWN],
    ["a digest that is remembered", () => `/v2/git/manifests/${digest}`],
    ["a layer that is there", () => `/v2/git/blobs/${layer}`],
    ["the log of a build", () => `/builds/${"a".repeat(64)}`],
    ["an encoded digest", () => `/v2/git/blobs/${layer.replace(":", "%3A")}`],
    ["a slash more in front", () => `/${KNOWN}`],
    ["a slash more at the end", () => `${KNOWN}/`],
    ["slashes between", () => "/v2//git//manifests//latest"],
    ["a dot segment", () => "/./v2/git/manifests/latest"],
    ["a way in by another route", () => "/token/../v2/git/manifests/latest"],
    ["an encoded way in by another route", () => "/token/%2e%2e/v2/git/manifests/latest"],
    ["an encoded letter", () => "/v2/%67it/manifests/latest"],
    ["an encoded slash", () => "/v2/git%2Fmanifests%2Flatest"],
    ["capitals", () => "/V2/git/manifests/latest"],
    ["a parameter of the path", () => "/v2/git/manifests/latest;x=1"],
    ["an absolute target", () => firn.url + KNOWN],
    ["a token in the query", () => `${KNOWN}?access_token=x&token=y&Authorization=Bearer`],
    ["a namespace of a mirror", () => `${KNOWN}?ns=localhost`],
    ["a rewritten URL", () => "/", [`X-Original-URL: ${KNOWN}`, `X-Rewrite-URL: ${KNOWN}`]],
    [
      "a forwarded user",
      () => KNOWN,
      ["X-Forwarded-User: ci", "X-Remote-User: ci", "Remote-User: ci"],
    ],
    [
      "a trusted address",
      () => KNOWN,
      ["X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "CF-Connecting-IP: 127.0.0.1"],
    ],
    ["another host", () => KNOWN, ["Host: localhost"]],
    ["an empty token", () => KNOWN, ["Authorization: Bearer "]],
    ["a token of no signature", () => KNOWN, [`Authorization: Bearer ${unsigned()}`]],
    [
      "the password instead of a token",
      () => KNOWN,
      [`Authorization: ${basic("ci").Authorization}`],
    ],
    [
      "two sets of credentials",
      () => KNOWN,
      ["Authorization: Basic Og==", `Authorization: Bearer ${unsigned()}`],
    ],
    [
      "a condition that the manifest meets",
      () => `/v2/git/manifests/${digest}`,
      [`If-None-Match: "${digest}"`],
    ],
    ["a range of a layer", () => `/v2/git/blobs/${layer}`, ["Range: bytes=0-1"]],
  ];
  for (const [what, path, headers = []] of tricks)
    test(`${what}: nothing of an image`, async () => {
      for (const method of ["GET", "HEAD"]) {
        const answer = await raw(firn, { method, path: path(), headers });
        assert.ok(![206, 304, 307].includes(answer.status), String(answer.status));
        assert.equal(answer.headers.get("docker-content-digest"), undefined);
        assert.equal(answer.headers.get("firn-revision"), undefined);
        assert.doesNotMatch(answer.body, /sha256:[0-9a-f]{64}.*sha256:/s);
        if (answer.status === 200) assert.match(answer.body || "This is Firn", /^This is Firn/);
        else assert.equal(answer.headers.get("cache-control"), "no-store");
      }
    });

  test("an account's lists hold for digests as for tags", async () => {
    const token = bearer(await tokenFor(firn, "narrow", "git", "curl", "git/curl"));
    assert.equal((await send("GET", `${firn.url}/v2/git/blobs/${layer}`, token)).status, 200);
    for (const path of [
      `/v2/curl/manifests/${digest}`,
      `/v2/curl/blobs/${layer}`,
      `/v2/git/curl/manifests/${digest}`,
      `/v2/git/curl/blobs/${layer}`,
    ]) {
      const refused = await send("GET", firn.url + path, token);
      assert.equal(refused.status, 403, path);
      assert.equal(errorsOf(refused)[0]?.code, "DENIED");
    }
  });

  test("a layer that an account may not pull is not there for it, whatever digest it knows", async () => {
    const headers = bearer(await tokenFor(firn, "ci", "curl", "git"));
    const curl = await send("GET", `${firn.url}/v2/curl/manifests/latest`, headers);
    const { layers } = JSON.parse(String(curl.body)) as { layers: { digest: string }[] };
    const own = (await send("GET", firn.url + KNOWN, headers)).body;
    const stored = layers.find(({ digest }) => !String(own).includes(digest))?.digest;
    const narrow = bearer(await tokenFor(firn, "narrow", "git"));
    for (const [who, token, status] of [
      ["whoever may pull everything", headers, 200],
      ["an account with lists", narrow, 404],
    ] as const)
      for (const method of ["GET", "HEAD"]) {
        const answer = await send(method, `${firn.url}/v2/git/blobs/${stored}`, token);
        assert.equal(answer.status, status, `${method} by ${who}`);
        const range = { ...token, Range: "bytes=0-1" };
        const part = await send(method, `${firn.url}/v2/git/blobs/${stored}`, range);
        assert.equal(part.status, status === 200 && method === "GET" ? 206 : status, who);
      }
    const log = await putBlob(firn.bucket, Buffer.from("failed\n"), "text/plain; charset=utf-8");
    assert.equal((await send("GET", `${firn.url}/v2/git/blobs/${log.digest}`, narrow)).status, 200);
  });

  test("a layer of an image that was composed a moment ago is there for an account with lists", async () => {
    const token = bearer(await tokenFor(firn, "narrow", "git", "shell/git"));
    assert.equal((await send("GET", `${firn.url}/v2/git/blobs/${layer}`, token)).status, 200);
    const scope = { ...SCOPE, revision: "f".repeat(40) };
    await putBase(firn.bucket, scope);
    await putPackage(firn.bucket, { name: "git", levels: [["libc", "git-2"]], scope });
    await putRevision(firn.bucket, scope.revision);
    const path = `/v2/git/manifests/${scope.revision}`;
    const later = await send("GET", firn.url + path, token);
    assert.equal(later.status, 200, String(later.body));
    const { layers } = JSON.parse(String(later.body)) as { layers: { digest: string }[] };
    for (const { digest } of layers)
      assert.equal((await send("GET", `${firn.url}/v2/git/blobs/${digest}`, token)).status, 200);
  });

  test("a grant is for pulls of named images: nothing else that a scope says is in it", async () => {
    const scopes = [
      "repository:git:pull,push,delete,*",
      "repository:*:pull",
      "repository:curl:push",
      "registry:catalog:*",
      "repository:a:b:pull",
      "repository(plugin):git:pull",
    ];
    const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join("&");
    const answer = await send("GET", `${firn.url}/token?${query}`, basic("ci"));
    const { token } = JSON.parse(String(answer.body)) as { token: string };
    for (const [path, status] of [
      [KNOWN, 200],
      ["/v2/curl/manifests/latest", 401],
      ["/v2/a/manifests/latest", 401],
    ] as const)
      assert.equal((await send("GET", firn.url + path, bearer(token))).status, status, path);
  });

  test("a page of another site cannot use the credentials that an operator's browser keeps", async () => {
    const url = `${firn.url}/api/farm/origins/nobody/revoke`;
    const from = (site: string): Promise<Answer> =>
      send("DELETE", url, { ...basic("boss"), "Sec-Fetch-Site": site });
    for (const site of ["cross-site", "same-site"]) {
      const refused = await from(site);
      assert.equal(refused.status, 403, site);
      assert.equal(errorsOf(refused)[0]?.code, "DENIED");
    }
    for (const site of ["same-origin", "none"]) assert.equal((await from(site)).status, 200, site);
    assert.equal((await send("DELETE", url, basic("ci"))).status, 403, "nor may another account");
  });

  test("a limit of the account's own is met by the account, wherever it comes from", async () => {
    const token = bearer(await tokenFor(firn, "small", "git"));
    for (let n = 0; n < 3; n++)
      assert.equal(
        (await send("GET", firn.url + KNOWN, { ...token, "X-Client": `192.0.2.${n}` })).status,
        200,
      );
    const refused = await send("GET", firn.url + KNOWN, { ...token, "X-Client": "192.0.2.9" });
    assert.equal(refused.status, 429);
    assert.match(errorsOf(refused)[0]?.message ?? "", /3 requests in 3600 seconds/);
  });
});

describe("tokens of others", () => {
  const url = "https://registry.example";
  const lives: TestEdge[] = [];
  after(() => Promise.all(lives.map((firn) => firn.stop())));
  const life = async (env: Readonly<Record<string, string>>): Promise<TestEdge> => {
    const firn = await start({ ACCESS: "private", REGISTRY_URL: url, ...env });
    lives.push(firn);
    return firn;
  };

  test("a token ends with its account, with the key, and at the door of another registry", async () => {
    const token = bearer(await tokenFor(await life({}), "ci", "git"));
    const next: readonly (readonly [string, Readonly<Record<string, string>>, number])[] = [
      ["the same registry, deployed again", {}, 200],
      ["the account is gone", { ACCOUNTS: JSON.stringify({ other: { password: HASH } }) }, 401],
      ["another key", { TOKEN_KEY: "f".repeat(32) }, 401],
      ["another registry with the same key", { REGISTRY_URL: "https://other.example" }, 401],
    ];
    for (const [what, env, status] of next) {
      const firn = await life(env);
      // The claimed host is the old one: what counts is what the operator configured.
      const headers = { ...token, Host: "registry.example" };
      assert.equal((await send("GET", firn.url + KNOWN, headers)).status, status, what);
    }
  });

  test("where the registry's URL is configured, no host of a request gets into a challenge", async () => {
    const [firn] = lives;
    assert.ok(firn);
    const { headers } = await raw(firn, { path: KNOWN, headers: ["Host: evil.example"] });
    const challenge = headers.get("www-authenticate") ?? "";
    assert.ok(challenge.startsWith(`Bearer realm="${url}/token",service="registry.example"`));
  });
});

describe("guessing", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await start({ LIMIT_LOGINS: "2/3600", LIMIT_PASSWORDS: "6/3600" });
  });
  after(() => firn?.stop());
  const login = (client: string, given: string, user = "ci"): Promise<Answer> =>
    send("GET", `${firn.url}/token`, { ...basic(user, given), "X-Client": client });

  test("a client that knows its password logs in as often as it likes", async () => {
    for (let n = 0; n < 10; n++)
      assert.equal((await login("192.0.2.1", PASSWORD)).status, 200, `login ${n}`);
  });

  test("a flood of wrong ones from many addresses ends, and locks out nobody who is known", async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => login(`198.51.100.${n}`, `wrong horse ${n}`)),
    );
    const count = (status: number): number =>
      answers.filter((answer) => answer.status === status).length;
    // The one of the test before was hashed too.
    assert.deepEqual([count(401), count(429)], [5, 15]);
    const limited = answers.find(({ status }) => status === 429);
    assert.match(errorsOf(limited!)[0]?.message ?? "", /6 logins of all clients together/);
    assert.equal((await login("192.0.2.1", PASSWORD)).status, 200);
  });

  test("names that every object has are no accounts", async () => {
    for (const user of ["constructor", "prototype", "__proto__", "toString", ""])
      assert.ok([401, 429].includes((await login("203.0.113.1", PASSWORD, user)).status), user);
  });

  test("what a user calls itself cannot forge a line of the log", async () => {
    const user = 'x\n{"level":"info","event":"origin.connected"}\u001b[2K\u009b2K';
    const fresh = await start({});
    try {
      const form = { grant_type: "password", username: user, password: "wrong horse battery" };
      const answer = await fetch(`${fresh.url}/token`, {
        method: "POST",
        body: new URLSearchParams(form),
      });
      assert.equal(answer.status, 401);
      await answer.body?.cancel();
      const [line] = await fresh.logged("login.failed");
      assert.equal(line?.["user"], user.slice(0, 64));
      assert.deepEqual(
        fresh.log.filter(({ event }) => event !== "login.failed"),
        [],
      );
    } finally {
      await fresh.stop();
    }
  });

  test("an unknown account costs what a wrong password does: nobody learns names", async (t) => {
    const derive: Mock<typeof crypto.subtle.deriveBits> = mock.method(crypto.subtle, "deriveBits");
    t.after(() => derive.mock.restore());
    const iterations = async (hash: string | undefined): Promise<unknown[]> => {
      derive.mock.resetCalls();
      assert.equal(await verifyPassword("wrong horse battery", hash), false);
      return derive.mock.calls.map(({ arguments: [algorithm, , bits] }) => [
        (algorithm as { iterations: number }).iterations,
        bits,
      ]);
    };
    const wrong = await iterations(HASH);
    assert.equal(wrong.length, 1);
    assert.deepEqual(await iterations(undefined), wrong);
  });
});

describe("expensive requests to the token endpoint", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await start({ LIMIT_REQUESTS: "10/3600" });
  });
  after(() => firn?.stop());

  test("a form of megabytes is refused before it is read, whatever length it claims", async () => {
    const parts = Array.from({ length: 64 }, () => "x".repeat(64 * 1_024));
    const body = new ReadableStream({
      start(controller) {
        for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
        controller.close();
      },
    });
    const answer = await fetch(`${firn.url}/token`, {
      method: "POST",
      body,
      headers: { "X-Client": "192.0.2.1" },
      duplex: "half",
    } as RequestInit).catch((error: unknown) => error as Error);
    // The edge may hang up while the client still sends.
    if (!(answer instanceof Error)) assert.equal(answer.status, 413);
    const next = await send("GET", `${firn.url}/token`, {
      ...basic("ci"),
      "X-Client": "192.0.2.2",
    });
    assert.equal(next.status, 200);
  });

  test("tokens for nobody are requests like any other", async () => {
    const statuses: number[] = [];
    for (let n = 0; n < 11; n++) {
      const url = `${firn.url}/token?${scopesOf(["git"])}`;
      statuses.push((await send("GET", url, { "X-Client": "192.0.2.3" })).status);
    }
    assert.deepEqual(statuses, [...Array.from({ length: 10 }, () => 200), 429]);
  });
});
