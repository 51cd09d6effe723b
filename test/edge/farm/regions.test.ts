import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readRegions, regionOfOrigin, regionsFor } from "../../../edge/farm/regions.ts";

const REGIONS = "weur,enam,apac";

describe("the order in which regions are asked", () => {
  for (const [continent, order] of [
    ["EU", "weur enam apac"],
    ["NA", "enam weur apac"],
    ["SA", "enam weur apac"],
    ["AS", "apac weur enam"],
    ["OC", "apac enam weur"],
    ["AF", "weur enam apac"],
    [undefined, "weur enam apac"],
    ["XX", "weur enam apac"],
  ] as const)
    test(`${continent ?? "an unknown continent"}: ${order}`, () =>
      assert.equal(regionsFor(readRegions({ REGIONS }), continent).join(" "), order));

  test("the operator's order comes first, regions that it leaves out last", () => {
    const regions = readRegions({ REGIONS, REGION_ORDER: '{"AS":["enam"]}' });
    assert.deepEqual(regionsFor(regions, "AS"), ["enam", "apac", "weur"]);
    assert.deepEqual(regionsFor(regions, "EU"), ["weur", "enam", "apac"]);
  });

  test("without REGIONS there is one farm for the world", () => {
    assert.deepEqual(regionsFor(readRegions({}), "EU"), []);
    assert.equal(regionOfOrigin(readRegions({}), "weur", "EU"), undefined);
  });
});

test("an origin is of the region that the operator gives it, or of the nearest", () => {
  const regions = readRegions({ REGIONS });
  assert.equal(regionOfOrigin(regions, "enam", "EU"), "enam");
  assert.equal(regionOfOrigin(regions, undefined, "AS"), "apac");
  assert.equal(regionOfOrigin(regions, "oc", "AS"), "apac", "a region that has no farm");
});

describe("refused, in words that name the variable and what is allowed", () => {
  for (const [variables, problem] of [
    [{ REGIONS: "europe" }, /^REGIONS must be one of wnam, enam, /],
    [{ REGIONS: "weur,weur" }, /^REGIONS must not name a region twice/],
    [{ REGIONS, REGION_ORDER: "{" }, /^REGION_ORDER /],
    [{ REGIONS, REGION_ORDER: '{"Asia":["weur"]}' }, /^REGION_ORDER must have continents as keys/],
    [{ REGIONS, REGION_ORDER: '{"AS":["oc"]}' }, /^REGION_ORDER names the region oc, .* REGIONS$/],
  ] as const)
    test(JSON.stringify(variables), () =>
      assert.throws(
        () => readRegions(variables),
        (error: Error) => problem.test(error.message),
      ),
    );
});
