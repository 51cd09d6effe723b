import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import {
  address,
  bytes,
  edges,
  ORIGIN,
  originName,
  packageSet,
  SHARED,
  systems,
  whole,
  withoutUnset,
} from "../../origin/options.ts";

test("sizes are bytes, with binary units", () => {
  for (const [text, value] of [
    ["1048576", 1_048_576],
    ["512M", 536_870_912],
    ["4GiB", 4_294_967_296],
    ["1.5k", 1_536],
  ] as const)
    assert.equal(bytes(text), value, text);
  for (const text of ["", "-1", "1X", "M", "1 000"])
    assert.throws(() => bytes(text), /Give bytes/, text);
});

test("whole numbers keep their bounds and say them", () => {
  const slots = whole("jobs", 1, 64);
  assert.equal(slots("2"), 2);
  for (const text of ["0", "65", "1.5", "-1", "0x10", "many", ""])
    assert.throws(() => slots(text), /Give jobs: a whole number from 1 to 64/, text);
});

test("edges become WebSocket URLs of a host alone", () => {
  assert.deepEqual(edges("https://firn.example/some/path, ws://127.0.0.1:8787").map(String), [
    "wss://firn.example/",
    "ws://127.0.0.1:8787/",
  ]);
  for (const text of [
    "",
    "firn.example:99x",
    "ftp://firn.example",
    "https://user:pass@firn.example",
  ])
    assert.throws(() => edges(text), text);
});

test("systems, names and addresses tell what is allowed", () => {
  assert.deepEqual(systems("x86_64-linux,aarch64-linux,x86_64-linux"), [
    "x86_64-linux",
    "aarch64-linux",
  ]);
  assert.throws(() => systems("x86_64-darwin"), /x86_64-linux, aarch64-linux/);
  assert.equal(originName("rack-1.example"), "rack-1.example");
  for (const text of ["", "-x", "a b", "x".repeat(64)]) assert.throws(() => originName(text), text);
  assert.equal(address("::1"), "::1");
  assert.throws(() => address("localhost"), /Give an IP address.*127\.0\.0\.1/);
});

test("a relative directory of a path set becomes absolute, and nothing else changes", () => {
  assert.equal(packageSet("path:some/dir"), `path:${resolve("some/dir")}`);
  for (const text of ["path:/some/dir", "path:", "starter", "git:https://host/path:x"])
    assert.equal(packageSet(text), text);
});

test("the package policy is read as the edge reads it, and a glob that is wrong is named", () => {
  const { packagesDeny, packagesAllow } = ORIGIN;
  assert.deepEqual(packagesDeny.parseArg?.("off", []), []);
  const allowed = ["git", "python3packages.*"];
  assert.deepEqual(packagesAllow.parseArg?.(allowed.join(", "), []), allowed);
  assert.throws(() => packagesDeny.parseArg?.("*".repeat(9), []), /PACKAGES_DENY: the glob/);
});

const remaining = (env: Record<string, string>): Record<string, string> => {
  withoutUnset(env, [ORIGIN.allowVulnerableNix, SHARED.s3Region]);
  return env;
};

test("empty variables count as unset, and so does a flag's variable that says no", () => {
  assert.deepEqual(remaining({ S3_REGION: "", OTHER: "" }), { OTHER: "" });
  for (const no of ["", "0", "false", "No", "off"])
    assert.deepEqual(remaining({ ALLOW_VULNERABLE_NIX: no }), {}, no);
  assert.deepEqual(remaining({ ALLOW_VULNERABLE_NIX: "1", S3_REGION: "no" }), {
    ALLOW_VULNERABLE_NIX: "1",
    S3_REGION: "no",
  });
});
