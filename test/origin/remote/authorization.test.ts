/** Challenges of registries, as they write them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseChallenge } from "../../../origin/remote/authorization.ts";

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
] as const)
  test(header, () => assert.deepEqual(parseChallenge(header), { scheme, parameters }));

for (const header of [null, "", "Negotiate", "Digest realm=x"])
  test(`${header} cannot be met`, () => assert.equal(parseChallenge(header), undefined));
