/** Globs of allow and deny lists. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { firstMatch, globFault, globMatches } from "../../../edge/contract/globs.ts";

describe("globs", () => {
  const cases: readonly (readonly [glob: string, name: string, matches: boolean])[] = [
    ["git", "git", true],
    ["git", "gitui", false],
    ["git", "agit", false],
    ["pkgsCross*", "pkgscross.aarch64.hello", true],
    ["pkgscross*", "pkgsCross", true],
    ["*.pkgs", "python3packages.pkgs", true],
    ["*.pkgs", "pkgs", false],
    ["*", "", true],
    ["*", "shell/git", true],
    ["a*b*c", "a-b-c", true],
    ["a*b*c", "abbc", true],
    ["a*b*c", "acb", false],
    ["a*b*c", "ac", false],
    ["a*b*c*", "a-c", false],
    ["ab*ba", "aba", false],
    ["ab*ba", "abba", true],
    ["a*a*a", "aa", false],
    ["xorg.x*", "xorgx", false],
    ["c++", "c++", true],
    [".*", "git", false],
  ];
  for (const [glob, name, expected] of cases) {
    test(`${glob} ${expected ? "stands" : "does not stand"} for "${name}"`, () => {
      assert.equal(globMatches(glob, name), expected);
    });
  }

  test("the first glob that stands for the name is named", () => {
    assert.equal(firstMatch(["a*", "gi*", "git"], "git"), "gi*");
    assert.equal(firstMatch(["a*"], "git"), undefined);
  });

  test("a glob that would be slow or means nothing has a fault in words", () => {
    assert.equal(globFault("git*"), undefined);
    assert.match(globFault("") ?? "", /empty/);
    assert.match(globFault("python[23]") ?? "", /has "\["/);
    assert.match(globFault("^git$") ?? "", /has "\^"/);
    assert.match(globFault("*".repeat(9)) ?? "", /more than 8/);
    assert.match(globFault("a".repeat(256)) ?? "", /more than 255/);
  });
});
