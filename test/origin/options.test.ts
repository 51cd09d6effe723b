import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, edges, originName, systems, whole } from "../../origin/options.ts";
import { LogTail } from "../../origin/nix/log.ts";

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
  for (const text of ["0", "65", "1.5", "many", ""])
    assert.throws(() => slots(text), /whole number of jobs from 1 to 64/, text);
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

test("systems and names name what is allowed", () => {
  assert.deepEqual(systems("x86_64-linux,aarch64-linux,x86_64-linux"), [
    "x86_64-linux",
    "aarch64-linux",
  ]);
  assert.throws(() => systems("x86_64-darwin"), /x86_64-linux, aarch64-linux/);
  assert.equal(originName("rack-1.example"), "rack-1.example");
  for (const text of ["", "-x", "a b", "x".repeat(64)]) assert.throws(() => originName(text), text);
});

test("a log keeps its end within the limit and says what it left out", () => {
  const tail = new LogTail(100);
  assert.equal(tail.empty, true);
  for (let line = 0; line < 1_000; line += 1) tail.add(`line ${line}`);
  const text = tail.text();
  assert.match(text, /^\(\d+ earlier lines left out\)\n/);
  assert.match(text, /line 998\nline 999\n$/);
  assert.ok(text.length < 200);
});
