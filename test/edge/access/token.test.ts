/** Tokens and credentials: what is granted, and what is not taken. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";
import { SignJWT } from "jose";
import { basicCredentials, bearerToken, imagesOfScopes } from "../../../edge/access/credentials.ts";
import { signToken, TOKEN_SECONDS, verifyToken } from "../../../edge/access/token.ts";

const NOW = Date.UTC(2026, 10, 21);
const context = { key: new Uint8Array(32).fill(7), audience: "registry.example", now: NOW };
const grant = { account: "ci", images: ["shell/git"] };

/** A token that differs from ours in one thing. */
const forge = (change: (jwt: SignJWT) => SignJWT, header = {}, key = context.key) => {
  const seconds = NOW / 1_000;
  const jwt = new SignJWT({ images: ["shell/git"] })
    .setProtectedHeader({ alg: "HS256", typ: "firn-pull+jwt", ...header })
    .setIssuer("firn")
    .setAudience("registry.example")
    .setSubject("ci")
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + TOKEN_SECONDS);
  return change(jwt).sign(key);
};
const unchanged = (jwt: SignJWT): SignJWT => jwt;
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const none = (): Promise<string> => {
  const claims = { iss: "firn", aud: "registry.example", sub: "ci", images: ["shell/git"] };
  const times = { iat: NOW / 1_000, exp: NOW / 1_000 + 60 };
  return Promise.resolve(`${part({ alg: "none" })}.${part({ ...claims, ...times })}.`);
};
const otherType = async (): Promise<string> => {
  const [, claims = ""] = (await signToken(grant, context)).split(".");
  const head = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");
  const mac = createHmac("sha256", context.key).update(`${head}.${claims}`).digest("base64url");
  return `${head}.${claims}.${mac}`;
};
const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

describe("tokens", () => {
  test("grant what they were signed for, until they expire", async () => {
    const token = await signToken(grant, context);
    assert.deepEqual(await verifyToken(token, context), grant);
    const late = { ...context, now: NOW + (TOKEN_SECONDS + 10) * 1_000 };
    assert.equal(await verifyToken(token, late), null);
  });

  test("nobody's token names no account", async () => {
    const token = await signToken({ account: null, images: [] }, context);
    assert.deepEqual(await verifyToken(token, context), { account: null, images: [] });
  });

  const cases: Readonly<Record<string, () => Promise<string>>> = {
    "another key": () => forge(unchanged, {}, new Uint8Array(32).fill(8)),
    "another algorithm": () => forge(unchanged, { alg: "HS512" }, new Uint8Array(64).fill(7)),
    "the algorithm none": none,
    "another type": otherType,
    "another issuer": () => forge((jwt) => jwt.setIssuer("else")),
    "another audience": () => forge((jwt) => jwt.setAudience("other.example")),
    "an issue time in the future": () => forge((jwt) => jwt.setIssuedAt(NOW / 1_000 + 60)),
    "a longer life than ours": () => forge((jwt) => jwt.setIssuedAt(NOW / 1_000 - 400)),
    "no token at all": () => Promise.resolve("token"),
  };
  for (const [title, make] of Object.entries(cases)) {
    test(`${title} is not taken`, async () => {
      assert.equal(await verifyToken(await make(), context), null);
    });
  }
  test("the forged tokens fail for their one difference: without it they pass", async () => {
    assert.deepEqual(await verifyToken(await forge(unchanged), context), grant);
  });
});

describe("credentials", () => {
  test("Basic: user and password, a colon may stand in the password", () => {
    assert.deepEqual(basicCredentials(basic("ci:a:b")), { user: "ci", password: "a:b" });
    assert.deepEqual(basicCredentials(basic("ci:ü")), { user: "ci", password: "ü" });
  });
  test("podman's empty Basic header is nobody's", () => {
    assert.equal(basicCredentials("Basic Og=="), null);
  });
  for (const header of [null, "", "Basic", "Basic !", basic("nocolon"), "Bearer abc", "Basic /w=="])
    test(`no credentials in ${JSON.stringify(header)}`, () => {
      assert.equal(basicCredentials(header), null);
    });
  test("Bearer", () => {
    assert.equal(bearerToken("Bearer a.b-c_d"), "a.b-c_d");
    assert.equal(bearerToken("bearer x"), "x");
    assert.equal(bearerToken("Basic x"), null);
    assert.equal(bearerToken(null), null);
  });

  const scopes: readonly (readonly [given: readonly string[], names: readonly string[]])[] = [
    [["repository:shell/git:pull"], ["shell/git"]],
    [["repository:a:pull,push", "repository:b:push"], ["a"]],
    [["repository:a:pull repository:b:pull"], ["a", "b"]],
    [["repository(plugin):a:pull"], ["a"]],
    [["registry:catalog:*", "repository::pull", "nonsense"], []],
    [Array.from({ length: 40 }, (_, index) => `repository:n${index}:pull`), []],
  ];
  for (const [given, names] of scopes.slice(0, -1))
    test(`scopes ${given.join(" and ").slice(0, 60)}`, () => {
      assert.deepEqual(imagesOfScopes(given), names);
    });
  test("no more scopes than a client asks for", () => {
    assert.equal(imagesOfScopes(scopes.at(-1)?.[0] ?? []).length, 16);
  });
});
