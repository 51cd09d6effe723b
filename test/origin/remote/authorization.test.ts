/** Challenges of registries, as they write them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandFailed } from "../../../origin/commands/exit-codes.ts";
import { authorize, parseChallenge } from "../../../origin/remote/authorization.ts";

for (const [header, scheme, parameters] of [
  ['Basic realm="Registry Realm"', "basic", { realm: "Registry Realm" }],
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push"',
    "bearer",
    {
      realm: "https://auth.docker.io/token",
      service: "registry.docker.io",
      scope: "repository:a:pull,push",
    },
  ],
  [
    "bearer realm=https://a.example/t, service = x",
    "bearer",
    { realm: "https://a.example/t", service: "x" },
  ],
  ['Basic realm="a \\"b\\""', "basic", { realm: 'a "b"' }],
  [
    'Basic realm="Registry", Bearer realm="https://a.example/t",service="x", Negotiate',
    "bearer",
    { realm: "https://a.example/t", service: "x" },
  ],
] as const)
  test(header, () => assert.deepEqual(parseChallenge(header), { scheme, parameters }));

for (const header of [null, "", "Negotiate", "Digest realm=x"])
  test(`${header} cannot be met`, () => assert.equal(parseChallenge(header), undefined));

for (const realm of [undefined, "", "auth", "ftp://a.example/token", "data:application/json,{}"])
  test(`the realm ${realm} is no server: nothing is asked, and no password goes anywhere`, () =>
    assert.rejects(
      authorize({ scheme: "bearer", parameters: realm === undefined ? {} : { realm } }, ["x"], {
        credentials: { user: "ci", password: "secret" },
        signal: new AbortController().signal,
      }),
      (error) => error instanceof CommandFailed && /names no token server/.test(error.message),
    ));
