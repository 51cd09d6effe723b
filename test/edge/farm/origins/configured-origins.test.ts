/** ORIGINS: what is read from it, and what is wrong with it, in words. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  configuredOrigins,
  isForOthers,
  mayResolve,
  mayServe,
} from "../../../../edge/farm/origins/configured-origins.ts";
import { keys } from "../origins.ts";

const key = keys["a"]?.publicKey ?? "";
const read = (origin: object, name = "rack-1") =>
  configuredOrigins({ ORIGINS: JSON.stringify({ [name]: origin }) }).get(name);

describe("ORIGINS", () => {
  test("a key is enough: its owner is its name, and nothing else is limited", () => {
    assert.deepEqual(read({ key }), { name: "rack-1", key, owner: "rack-1" });
  });

  test("all fields", () => {
    const origin = {
      key,
      owner: "acme",
      systems: ["x86_64-linux"],
      slots: 4,
      packageSets: ["channel:*"],
      tags: ["latest", "nixos-*"],
      region: "weur",
    };
    const configured = read(origin);
    assert.deepEqual(configured, { name: "rack-1", ...origin });
    assert.ok(configured);
    assert.deepEqual(
      ["latest", "nixos-25.11", "v1"].map((tag) => mayResolve(configured, tag)),
      [true, true, false],
    );
    assert.deepEqual(
      ["channel:nixos-unstable", "starter"].map((label) => mayServe(configured, label)),
      [true, false],
    );
  });

  test("nothing is nobody", () => {
    assert.equal(configuredOrigins({}).size, 0);
    assert.equal(configuredOrigins({ ORIGINS: " " }).size, 0);
  });

  const wrong: readonly [string, string, RegExp][] = [
    ["no JSON", "mine", /^ORIGINS must be a JSON object/],
    ["a list", "[]", /^ORIGINS must be a JSON object/],
    ["an origin that is text", '{"a":"x"}', /^ORIGINS: a must be an object: \{"key": "…"\}$/],
    ["no key", '{"a":{}}', /^ORIGINS: a\.key is missing$/],
    ["a short key", '{"a":{"key":"hush"}}', /^ORIGINS: a\.key must be the x of an Ed25519/],
    ["a bad name", JSON.stringify({ "a b": { key } }), /^ORIGINS: "a b": a name is at most 63/],
    ["a misspelt field", JSON.stringify({ a: { key, slot: 2 } }), /a\.slot is not a field.*slots/],
    ["no slots", JSON.stringify({ a: { key, slots: 0 } }), /a\.slots must be a whole number/],
    ["slots in words", JSON.stringify({ a: { key, slots: "4" } }), /a\.slots must be a whole/],
    ["no systems", JSON.stringify({ a: { key, systems: [] } }), /a\.systems must not be empty/],
    [
      "a foreign system",
      JSON.stringify({ a: { key, systems: ["x86_64-linux", "riscv"] } }),
      /a\.systems\.1 must be one of x86_64-linux, aarch64-linux/,
    ],
    ["one glob", JSON.stringify({ a: { key, tags: "latest" } }), /a\.tags must be a list of globs/],
    [
      "an empty glob",
      JSON.stringify({ a: { key, tags: [""] } }),
      /a\.tags\.0 the glob "" is empty/,
    ],
    [
      "one key for two names",
      JSON.stringify({ a: { key, owner: "x" }, b: { key, owner: "y" } }),
      /^ORIGINS: a and b have the same key$/,
    ],
  ];
  for (const [what, text, message] of wrong)
    test(`${what} is refused, by origin and field`, () => {
      assert.throws(
        () => configuredOrigins({ ORIGINS: text }),
        (error: Error) => message.test(error.message) && !error.message.includes("hush"),
      );
    });
});

describe("an edge for other machines", () => {
  const hosts: readonly [string, boolean][] = [
    ["", false],
    ["127.0.0.1:8787", false],
    ["127.1.2.3", false],
    ["localhost:80", false],
    ["[::1]:8787", false],
    ["127.0.0.1:8787, firn.example", true],
    ["0.0.0.0:8787", true],
    ["[::]:8787", true],
    ["10.0.0.1", true],
    ["127.0.0.1.evil.example", true],
  ];
  for (const [EDGE_HOST, others] of hosts)
    test(`${EDGE_HOST || "no host"}: ${others}`, () =>
      assert.equal(isForOthers({ EDGE_HOST }), others));
});
