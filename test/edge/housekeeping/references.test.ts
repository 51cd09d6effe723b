/** What an object in the bucket keeps from being collected. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { blobPath, layerPath, levelPath, packagePath } from "../../../edge/contract/keys.ts";
import { decisionOn, type Facts } from "../../../edge/housekeeping/kinds.ts";
import {
  ofImage,
  ofNarinfo,
  ofPackage,
  ofPlan,
  ofTag,
  revisionKey,
} from "../../../edge/housekeeping/references.ts";

const REVISION = "0123456789".repeat(4);
const PLAN = "e".repeat(64);
const [A, B, C] = ["a", "b", "c"].map((digit) => `sha256:${digit.repeat(64)}` as const);
const SCOPE = { packageSet: "starter", revision: REVISION, plan: PLAN } as const;
const STATE = [revisionKey("starter", REVISION), blobPath(`sha256:${PLAN}`)];

const sorted = (keys: readonly string[]): string[] => [...new Set(keys)].sort();
const names = (found: readonly string[], expected: readonly string[]): void =>
  assert.deepEqual(sorted(found), sorted(expected));

/** An image of git, for one system. */
const image = (level: number, digest?: string) => ({
  levels: { git: level },
  layers: [{ digest }],
});

describe("references", () => {
  test("an image: its packages at their levels on each system, its revision, plan and blobs", () => {
    const record = {
      ...SCOPE,
      images: { "x86_64-linux": image(0, A), "aarch64-linux": image(1, B) },
    };
    names(ofImage(JSON.stringify(record)), [
      ...(["x86_64-linux", "aarch64-linux"] as const).flatMap((system, level) => [
        packagePath({ ...SCOPE, system }, "git"),
        levelPath({ ...SCOPE, system }, "git", level),
      ]),
      ...STATE,
      ...[A!, B!].map(blobPath),
    ]);
  });

  test("a package: the records of its layers in both compressions, its revision, plan and blobs", () => {
    const key = "f".repeat(64);
    const layers = [{ key, digest: A, diffId: B, zstd: { digest: C } }];
    names(ofPackage(JSON.stringify({ ...SCOPE, layers })), [
      layerPath(key),
      layerPath(key, "zstd"),
      ...STATE,
      ...[A!, B!, C!].map(blobPath),
    ]);
    // A level's record says nothing of its package's state.
    names(ofPackage(JSON.stringify({ layers: [{ key, digest: A }] })), [
      layerPath(key),
      layerPath(key, "zstd"),
      blobPath(A!),
    ]);
  });

  test("what is damaged keeps the blobs in its text", () => {
    for (const text of [`{"layers": [{"digest": "${A}"`, `"${A}"`, `null ${A}`]) {
      names(ofPackage(text), [blobPath(A!)]);
      names(ofImage(text), [blobPath(A!)]);
    }
  });

  test("a tag: each revision that it has meant; a plan's pointer: the plan", () => {
    const before = "9".repeat(40);
    const text = JSON.stringify({ revision: REVISION, before: [{ revision: before }], at: A });
    names(ofTag("tags/starter/latest.json", text), [
      revisionKey("starter", REVISION),
      revisionKey("starter", before),
    ]);
    names(ofPlan({ plan: PLAN }), [blobPath(`sha256:${PLAN}`)]);
    names(ofPlan({ plan: "none" }), []);
  });

  test("a narinfo: its file", () => {
    names(ofNarinfo("StorePath: /nix/store/x\nURL: nar/00.nar.zst\nSig: y\n"), [
      "cache/nar/00.nar.zst",
    ]);
    names(ofNarinfo("StorePath: /nix/store/x\n"), []);
  });
});

describe("the decision", () => {
  const idle: Facts = {
    usedAt: 10,
    usedAfter: 10,
    pinned: false,
    named: undefined,
    condemnedAt: 5,
    condemnedBefore: 5,
  };
  const table: readonly [string, Partial<Facts>, "keep" | "condemn" | "delete"][] = [
    ["idle, condemned for the grace", {}, "delete"],
    ["condemned a moment less", { condemnedAt: 6 }, "condemn"],
    ["not condemned yet", { condemnedAt: undefined }, "condemn"],
    ["only what is not in use names it", { named: "held" }, "condemn"],
    ["what is in use names it", { named: "live" }, "keep"],
    ["pinned", { pinned: true }, "keep"],
    ["used within the period", { usedAt: 11 }, "keep"],
  ];
  for (const [what, facts, decision] of table)
    test(`${what}: ${decision}`, () => assert.equal(decisionOn({ ...idle, ...facts }), decision));
});
