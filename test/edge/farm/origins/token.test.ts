/**
 * Who may connect to the farm: a table of tokens, first against the check itself, then over real
 * connections.
 */
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { type JWTPayload, SignJWT } from "jose";
import { WebSocket } from "ws";
import { CONNECT_PATH, TOKEN_SECONDS } from "../../../../edge/contract/messages.ts";
import { configuredOrigins } from "../../../../edge/farm/origins/configured-origins.ts";
import { CLOCK_SKEW_SECONDS, identify, publicJwk } from "../../../../edge/farm/origins/token.ts";
import { generateOriginKey, readOriginKey } from "../../../../origin/channel/key.ts";
import { signToken } from "../../../../origin/channel/token.ts";
import { until } from "../../../harness/until.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { originKeys } from "../origins.ts";

const HOST = "edge.test:8787";
const mine = generateOriginKey();
const unknownKey = generateOriginKey();
const config = {
  EDGE_HOST: `other.test, ${HOST}`,
  ORIGINS: JSON.stringify({ mine: { key: mine.publicKey } }),
};
const NOW = 1_800_000_000;

interface Forged {
  readonly claims?: Partial<Record<keyof JWTPayload, unknown>>;
  readonly header?: Record<string, unknown>;
  readonly key?: string;
}

/** A good token, but for what is given; `undefined` takes a claim away. */
function forge({ claims = {}, header = {}, key = mine.privateKey }: Forged): Promise<string> {
  const payload = {
    sub: "mine",
    aud: HOST,
    iat: NOW,
    exp: NOW + TOKEN_SECONDS,
    jti: "once",
    ...claims,
  } as JWTPayload;
  const kept = Object.fromEntries(
    Object.entries(payload).filter(([, value]) => value !== undefined),
  ) as JWTPayload;
  return new SignJWT(kept).setProtectedHeader({ alg: "EdDSA", ...header }).sign(readOriginKey(key));
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const goodClaims = { sub: "mine", aud: HOST, iat: NOW, exp: NOW + TOKEN_SECONDS, jti: "once" };
const bearer = async (token: string | Promise<string>): Promise<string> => `Bearer ${await token}`;

/**
 * HS256 with the public key as the secret, in the forms that confused verifiers have taken it: the
 * raw x, its bytes, PEM.
 */
async function hs256(secret: Uint8Array): Promise<string> {
  return new SignJWT(goodClaims).setProtectedHeader({ alg: "HS256" }).sign(secret);
}
const publicPem = createPublicKey(readOriginKey(mine.privateKey)).export({
  format: "pem",
  type: "spki",
});

const table: readonly [
  string,
  () => Promise<string | null>,
  Partial<typeof config> | undefined,
  RegExp | null,
][] = [
  ["a good token", () => bearer(forge({})), undefined, null],
  [
    "as an origin signs it, at the first of the hosts",
    () => bearer(forge({ claims: { aud: "other.test" } })),
    undefined,
    null,
  ],
  [
    "a clock that is slightly ahead",
    () =>
      bearer(
        forge({
          claims: { iat: NOW + CLOCK_SKEW_SECONDS, exp: NOW + CLOCK_SKEW_SECONDS + TOKEN_SECONDS },
        }),
      ),
    undefined,
    null,
  ],
  ["no header", async () => null, undefined, /no bearer token/],
  ["Basic", async () => "Basic bWluZTpzZWNyZXQ=", undefined, /no bearer token/],
  ["not a JWT", async () => "Bearer abc", undefined, /./],
  ["too long", async () => `Bearer ${"a".repeat(5_000)}`, undefined, /longer than/],
  ["expired", () => bearer(forge({ claims: { iat: NOW - 120, exp: NOW - 60 } })), undefined, /exp/],
  ["no expiry", () => bearer(forge({ claims: { exp: undefined } })), undefined, /exp/],
  ["no issue time", () => bearer(forge({ claims: { iat: undefined } })), undefined, /iat/],
  [
    "issued in the future",
    () => bearer(forge({ claims: { iat: NOW + 30, exp: NOW + 60 } })),
    undefined,
    /future/,
  ],
  ["not valid yet", () => bearer(forge({ claims: { nbf: NOW + 30 } })), undefined, /nbf/],
  [
    "lives too long",
    () => bearer(forge({ claims: { exp: NOW + TOKEN_SECONDS + 1 } })),
    undefined,
    /longer than 60 s/,
  ],
  ["for another edge", () => bearer(forge({ claims: { aud: "evil.test" } })), undefined, /aud/],
  [
    "for two edges",
    () => bearer(forge({ claims: { aud: [HOST, "other.test"] } })),
    undefined,
    /one host/,
  ],
  ["for nobody", () => bearer(forge({ claims: { aud: undefined } })), undefined, /aud/],
  ["no jti", () => bearer(forge({ claims: { jti: undefined } })), undefined, /jti/],
  ["an endless jti", () => bearer(forge({ claims: { jti: "j".repeat(200) } })), undefined, /jti/],
  [
    "an unknown name",
    () => bearer(forge({ claims: { sub: "yours" } })),
    undefined,
    /no key in ORIGINS/,
  ],
  [
    "a name of Object's own",
    () => bearer(forge({ claims: { sub: "constructor" } })),
    undefined,
    /no key in ORIGINS/,
  ],
  ["no name", () => bearer(forge({ claims: { sub: undefined } })), undefined, /no key in ORIGINS/],
  ["another's key", () => bearer(forge({ key: unknownKey.privateKey })), undefined, /signature/],
  [
    "another's key in the header as jwk",
    () =>
      bearer(
        forge({ key: unknownKey.privateKey, header: { jwk: publicJwk(unknownKey.publicKey) } }),
      ),
    undefined,
    /signature/,
  ],
  [
    "a key named by jku, x5u and kid",
    () =>
      bearer(
        forge({
          key: unknownKey.privateKey,
          header: { jku: "http://127.0.0.1/jwks", x5u: "http://127.0.0.1/x5u", kid: "../mine" },
        }),
      ),
    undefined,
    /signature/,
  ],
  [
    "alg none",
    async () => `Bearer ${encode({ alg: "none" })}.${encode(goodClaims)}.`,
    undefined,
    /./,
  ],
  [
    "alg none with a signature",
    async () => `Bearer ${encode({ alg: "none" })}.${encode(goodClaims)}.AAAA`,
    undefined,
    /alg/,
  ],
  [
    "HS256 with the public key's x as the secret",
    () => bearer(hs256(Buffer.from(mine.publicKey))),
    undefined,
    /alg/,
  ],
  [
    "HS256 with the public key's bytes as the secret",
    () => bearer(hs256(Buffer.from(mine.publicKey, "base64url"))),
    undefined,
    /alg/,
  ],
  [
    "HS256 with the public key's PEM as the secret",
    () => bearer(hs256(Buffer.from(publicPem))),
    undefined,
    /alg/,
  ],
  [
    "a critical extension that nobody knows",
    () => bearer(`${encode({ alg: "EdDSA", crit: ["x"], x: 1 })}.${encode(goodClaims)}.AAAA`),
    undefined,
    /./,
  ],
  ["no EDGE_HOST", () => bearer(forge({})), { ORIGINS: config.ORIGINS ?? "" }, /EDGE_HOST/],
  [
    "no EDGE_HOST, token for nobody",
    () => bearer(forge({ claims: { aud: "" } })),
    { ORIGINS: config.ORIGINS ?? "", EDGE_HOST: "" },
    /EDGE_HOST/,
  ],
  ["no ORIGINS", () => bearer(forge({})), { EDGE_HOST: HOST }, /no key/],
  [
    "ORIGINS that are no JSON",
    () => bearer(forge({})),
    { EDGE_HOST: HOST, ORIGINS: "{" },
    /ORIGINS must be/,
  ],
  [
    "ORIGINS with a private JWK",
    () => bearer(forge({})),
    { EDGE_HOST: HOST, ORIGINS: JSON.stringify({ mine: JSON.parse(mine.privateKey) }) },
    /ORIGINS: mine\.key is missing/,
  ],
];

describe("identify", () => {
  for (const [what, header, env, refused] of table) {
    test(what, async () => {
      const caller = await identify(await header(), env ?? config, NOW * 1_000);
      if (refused === null)
        assert.deepEqual(
          { ...caller, expires: 0, jti: "" },
          { name: "mine", key: mine.publicKey, expires: 0, jti: "" },
        );
      else assert.match("refused" in caller ? caller.refused : "let in", refused);
    });
  }

  test("nothing secret about a malformed configuration is told", () => {
    assert.throws(
      () => configuredOrigins({ ORIGINS: '{"mine":{"key":"secret","d":"hush"}}' }),
      (error: Error) =>
        error.message.startsWith("ORIGINS: mine.key ") && !/secret|hush/.test(error.message),
    );
  });
});

describe("connecting", () => {
  let edge: FarmEdge;
  before(async () => {
    edge = await startFarm({
      vars: {
        ORIGINS: JSON.stringify({ ...JSON.parse(originKeys("a")), mine: { key: mine.publicKey } }),
      },
    });
  });
  after(() => edge.stop());

  /** The status and challenge that an upgrade is answered with; 101 when the socket opens. */
  const knock = (
    headers: Record<string, string>,
  ): Promise<{ status: number; challenge: string | undefined; body: string }> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${edge.host}${CONNECT_PATH}`, { headers });
      socket.on("open", () => {
        socket.close();
        resolve({ status: 101, challenge: undefined, body: "" });
      });
      socket.on("unexpected-response", async (_, response) => {
        resolve({
          status: response.statusCode ?? 0,
          challenge: response.headers["www-authenticate"],
          body: await text(response),
        });
      });
      socket.on("error", reject);
    });

  test("a token opens one connection; the second time it opens none", async () => {
    const authorization = `Bearer ${await signToken(readOriginKey(mine.privateKey), "mine", edge.host)}`;
    assert.equal((await knock({ authorization })).status, 101);
    assert.deepEqual(await knock({ authorization }), {
      status: 401,
      challenge: "Bearer",
      body: "A valid origin token is needed.\n",
    });
  });

  test("a used token stays used when the farm loses its memory", async () => {
    const authorization = `Bearer ${await signToken(readOriginKey(mine.privateKey), "mine", edge.host)}`;
    assert.equal((await knock({ authorization })).status, 101);
    await edge.evictFarm("close");
    assert.equal((await knock({ authorization })).status, 401);
  });

  test("who has no valid token learns nothing about why", async () => {
    for (const authorization of [
      "",
      "Bearer x",
      `Bearer ${await signToken(readOriginKey(unknownKey.privateKey), "mine", edge.host)}`,
    ]) {
      assert.deepEqual(await knock({ authorization }), {
        status: 401,
        challenge: "Bearer",
        body: "A valid origin token is needed.\n",
      });
    }
    await until("a wrong signature in the log", () =>
      edge.events("origin.refused").some(({ reason }) => /signature/.test(String(reason))),
    );
  });

  test("the audience is configuration, not what the request calls the host", async () => {
    const token = await signToken(readOriginKey(mine.privateKey), "mine", "evil.test");
    assert.equal(
      (await knock({ authorization: `Bearer ${token}`, host: "evil.test" })).status,
      401,
    );
  });

  test("nobody says who he is by the edge's own header", async () => {
    const caller = JSON.stringify({
      name: "mine",
      key: mine.publicKey,
      jti: "x",
      expires: Date.now() + 60_000,
    });
    assert.equal((await knock({ "x-firn-caller": caller })).status, 401);
  });

  test("no upgrade: 426", async () => {
    const response = await fetch(new URL(CONNECT_PATH, edge.url));
    assert.equal(response.status, 426);
    await response.text();
  });
});
