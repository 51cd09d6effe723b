/** Names of images at registries, as docker writes them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRemoteImage, splitReference } from "../../../origin/remote/reference.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;

for (const [text, registry, repository, reference] of [
  ["registry.example/team/app:1", "https://registry.example/", "team/app", "1"],
  ["registry.example/app", "https://registry.example/", "app", "latest"],
  ["registry.example:5000/app:v1.2_x-3", "https://registry.example:5000/", "app", "v1.2_x-3"],
  ["127.0.0.1:5000/app:1", "http://127.0.0.1:5000/", "app", "1"],
  ["localhost/app", "http://localhost/", "app", "latest"],
  ["team/app:1", "https://registry-1.docker.io/", "team/app", "1"],
  [`registry.example/app@${DIGEST}`, "https://registry.example/", "app", DIGEST],
] as const) {
  test(`${text} is ${repository} at ${registry}`, () => {
    const found = parseRemoteImage(text);
    assert.deepEqual(
      [found.registry.href, found.repository, found.reference],
      [registry, repository, reference],
    );
  });
}

test("without TLS where that is said", () => {
  assert.equal(parseRemoteImage("registry.example/app", true).registry.protocol, "http:");
});

for (const text of [
  "app",
  "127.0.0.1:5000",
  "registry.example/App",
  "registry.example/app:a b",
  "registry.example/app@sha256:0",
  "registry.example/",
  "",
  "../../etc",
])
  test(`${JSON.stringify(text)} is none`, () => assert.throws(() => parseRemoteImage(text)));

test("a port is no tag, and a digest ends a name", () => {
  assert.deepEqual(splitReference("host:5000/a"), { name: "host:5000/a", reference: "latest" });
  assert.deepEqual(splitReference(`a/b@${DIGEST}`), { name: "a/b", reference: DIGEST });
  // As with docker, the digest alone counts.
  assert.deepEqual(splitReference(`host:5000/a:1@${DIGEST}`), {
    name: "host:5000/a",
    reference: DIGEST,
  });
});
