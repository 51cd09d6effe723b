/** An index job with real Nix and a real bucket. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { blobPath } from "../../../edge/contract/keys.ts";
import type { Result } from "../../../edge/contract/items.ts";
import { MAX_INDEX_BYTES, MAX_INDEX_NAMES } from "../../../edge/contract/records.ts";
import { generateOriginKey } from "../../../origin/channel/index.ts";
import { readOriginKey } from "../../../origin/channel/key.ts";
import { signer } from "../../../origin/channel/sign.ts";
import { publishIndexes } from "../../../origin/publish/indexes.ts";
import { directoryWith, needs, open, signal, system } from "../nix/support.ts";
import { bucketLayers } from "./support.ts";

const sign = signer(readOriginKey(generateOriginKey().privateKey));

const SET = `{ system, ... }: {
  good = 1; Other = throw "forced"; nested = { b = throw "forced"; A = 1; };
  function = x: x; broken = throw "no such luck"; endless = abort "hard";
  many = builtins.listToAttrs
    (builtins.genList (n: { name = "n\${toString n}"; value = n; }) ${MAX_INDEX_NAMES + 1});
}`;

test(
  "an index has every name, and evaluates none; a set that fails does so alone",
  { ...needs("nix-instantiate"), timeout: 120_000 },
  async (t) => {
    const { bucket, layers } = await bucketLayers(t);
    const packageSet = await open(t, `path:${directoryWith(t, SET)}`);
    const revision = await packageSet.resolve("latest", signal);
    const paths = [[], ["nested"], ["function"], ["broken"], ["endless"], ["many"]];
    const results = await publishIndexes(
      paths.map((path) => ({ kind: "index", packageSet: "path", revision, system, path })),
      { packageSet, layers, signal, sign },
    );

    const namesOf = async (
      result: Result | undefined,
      path: readonly string[],
      reason: RegExp = /^$/,
    ) => {
      assert.ok(result?.kind === "index", JSON.stringify(result));
      assert.equal(result.signature, sign("index", result.statement));
      const { names, format: _, refused = "", ...rest } = result.statement;
      assert.match(refused, reason);
      assert.deepEqual(rest, { packageSet: "path", revision, system, path });
      const bytes = await bucket.bytes(blobPath(names.digest));
      assert.equal(bytes.length, names.size);
      return JSON.parse(bytes.toString()) as string[];
    };
    const all = ["Other", "broken", "endless", "function", "good", "many", "nested"];
    assert.deepEqual(await namesOf(results[0], []), all);
    assert.deepEqual(await namesOf(results[1], ["nested"]), ["A", "b"]);
    assert.deepEqual(await namesOf(results[2], ["function"]), []);
    assert.deepEqual(await namesOf(results[3], ["broken"], /no such luck/), []);
    assert.deepEqual(await namesOf(results[4], ["endless"], /hard/), []);
    const told = results
      .slice(5)
      .map((result) => (result.kind === "failure" ? result.failure : undefined));
    assert.deepEqual(
      told.map((failure) => failure?.reason),
      ["refused"],
    );
    assert.match(
      told[0]?.message ?? "",
      new RegExp(`many has ${MAX_INDEX_NAMES + 1} names .* at most .* ${MAX_INDEX_BYTES}`),
    );
  },
);
