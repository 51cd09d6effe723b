import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDump } from "../../../../origin/nix/build/dump.ts";

const path = (letter: string): string => `/nix/store/${letter.repeat(32)}-${letter}`;
const hash = (digit: string): string => digit.repeat(64);

test("entries with and without deriver and references", () => {
  const text = [
    path("a"),
    hash("1"),
    "456",
    `${path("x")}.drv`,
    "3",
    path("c"),
    path("a"),
    path("b"),
    path("b"),
    hash("2"),
    "0",
    "",
    "0",
    "",
  ].join("\n");
  assert.deepEqual(parseDump(text), [
    {
      path: path("a"),
      narHash: `sha256:${hash("1")}`,
      narSize: 456,
      references: [path("b"), path("c")],
    },
    { path: path("b"), narHash: `sha256:${hash("2")}`, narSize: 0, references: [] },
  ]);
  assert.deepEqual(parseDump(""), []);
});

test("a cut or foreign text is an error, never half a closure", () => {
  assert.throws(
    () => parseDump([path("a"), hash("1"), "456", "", "2", path("b")].join("\n")),
    /in the middle/,
  );
  assert.throws(() => parseDump('{"version": 2}\n\n\n\n0\n'), /unknown form/);
});
