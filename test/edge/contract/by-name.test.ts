/** Objects by names that people chose: every name is kept, and none is found that was not given. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as v from "valibot";
import { BucketAnswerSchema } from "../../../edge/contract/bucket-requests.ts";
import { byName } from "../../../edge/contract/by-name.ts";
import { addDemand, DemandSchema } from "../../../edge/contract/demand.ts";

const schema = byName(v.pipe(v.string(), v.regex(/^[a-z]+$/, "a name is letters")), v.number());
const NAMES = ["constructor", "prototype", "git"];
const counts = JSON.stringify(Object.fromEntries(NAMES.map((name, at) => [name, at])));

describe("objects by name", () => {
  test("every name is kept", () => {
    assert.deepEqual(Object.entries(v.parse(schema, JSON.parse(counts))), [
      ["constructor", 0],
      ["prototype", 1],
      ["git", 2],
    ]);
  });

  test("a value that is wrong is told by its name, and a name that is wrong too", () => {
    const wrong = v.safeParse(schema, JSON.parse('{"git": "1", "__proto__": 2, "a-b": 3}'));
    assert.deepEqual(
      wrong.issues?.map((issue) => [v.getDotPath(issue), issue.message]),
      [
        ["git", 'Invalid type: Expected number but received "1"'],
        ["__proto__", "a name is letters"],
        ["a-b", "a name is letters"],
      ],
    );
  });

  for (const value of [null, [], "git", 1])
    test(`${JSON.stringify(value)} is none`, () =>
      assert.equal(v.safeParse(schema, value).success, false));
});

describe("where names are keys", () => {
  test("pulls of a package called constructor are counted", () => {
    const read = v.parse(DemandSchema, { pulls: 3, packages: JSON.parse(counts) as unknown });
    const { packages } = addDemand([read, read]);
    assert.deepEqual(Object.entries(packages), [
      ["constructor", 0],
      ["git", 4],
      ["prototype", 2],
    ]);
  });

  test("an origin called constructor has its key in what the edge says of a layer", () => {
    const key = "A".repeat(43);
    const digest = `sha256:${"0".repeat(64)}`;
    const signed = [{ origin: "constructor", signature: "B".repeat(86) }];
    const layer = { key: "1".repeat(64), codec: "gzip", digest, size: 1, diffId: digest, signed };
    const record = { ...layer, compressor: "libdeflate 1.14, level 5" };
    const known = { record, present: true, keys: { constructor: key } };
    const answer = v.parse(BucketAnswerSchema, {
      type: "layers",
      id: "1",
      layers: [{ gzip: known }],
    });
    assert.ok(answer.type === "layers");
    assert.equal(answer.layers[0]?.gzip?.keys["constructor"], key);
  });
});
