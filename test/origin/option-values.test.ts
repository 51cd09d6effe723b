import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import {
  address,
  bytes,
  diskBudget,
  edges,
  edgeUrl,
  hosts,
  httpUrl,
  originName,
  packageSet,
  period,
  publicKeys,
  systems,
  whole,
} from "../../origin/option-values.ts";

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

test("periods keep their bounds and say them in the same units", () => {
  const day = period(86_400, 10 * 365 * 86_400);
  assert.equal(day("36h"), 129_600);
  for (const text of ["5", "1h", "3651d", ""])
    assert.throws(() => day(text), /\(90d, 12h, 30m, 10s\): from 1 d to 3650 d/, text);
  assert.equal(period(1, 60)("45s"), 45);
});

test("URLs are http:// or https://; what a person signs in with is never part of one, or shown", () => {
  assert.equal(edgeUrl("https://firn.example").host, "firn.example");
  assert.equal(httpUrl("https://host/{revision}.tar.gz"), "https://host/{revision}.tar.gz");
  for (const text of ["firn.example", "127.0.0.1:8787", "ftp://host", "nonsense", ""])
    for (const read of [edgeUrl, httpUrl])
      assert.throws(() => read(text), /^\w+: Give an http:\/\/ or https:\/\/ URL/, text);
  assert.throws(
    () => edgeUrl("https://snow:secret@firn.example"),
    (error: Error) => /FIRN_PASSWORD/.test(error.message) && !/secret/.test(error.message),
  );
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

test("hosts of buckets are as URLs have them, with or without a port", () => {
  assert.deepEqual(hosts("MinIO.inner:9000, [FD00::1]:80,203.0.113.7,https-host:443"), [
    "minio.inner:9000",
    "[fd00::1]:80",
    "203.0.113.7",
    "https-host:443",
  ]);
  for (const text of ["https://minio.inner", "a/b", "a:b@c", "a:99999", "a b", "a?b", "a#b"])
    assert.throws(() => hosts(text), /is not a host: give HOST or HOST:PORT/, text);
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
  for (const flake of ["flake:./some/dir", "flake:path:some/dir"])
    assert.equal(packageSet(`${flake}?dir=a`), `flake:path:${resolve("some/dir")}?dir=a`);
  for (const text of [
    "path:/some/dir",
    "path:",
    "starter",
    "git:https://host/path:x",
    "flake:github:a/b?dir=c",
  ])
    assert.equal(packageSet(text), text);
});

test("a disk budget is what may be used, or what stays free", () => {
  assert.deepEqual(diskBudget("50G"), { used: 50 * 1024 ** 3 });
  assert.deepEqual(diskBudget(" free:10G"), { free: 10 * 1024 ** 3 });
  for (const text of ["", "free:", "free", "10", "free:1M", "used:10G"])
    assert.throws(() => diskBudget(text), /Give/, text);
});

test("trusted keys are public keys of Nix, and the one that is not is named", () => {
  const key = `rack-1:${Buffer.alloc(32).toString("base64")}`;
  assert.deepEqual(publicKeys(` ${key}  ${key} `), [key, key]);
  assert.throws(() => publicKeys(`${key} rack-2`), /"rack-2" is not a public key of Nix/);
});
