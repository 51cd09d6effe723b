/** What a package set warns of: whose warning it is, in the words of each Nix, and of this one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { warningOf } from "../../../../origin/nix/evaluate/warnings.ts";
import { directoryWith, needs, open, packageSet, signal, system } from "../support.ts";

describe("warningOf", () => {
  const RENAMED = "'oldgit' has been renamed to 'git'";
  const table: [line: string, attribute: string, found: string | undefined][] = [
    [`trace: warning: ${RENAMED}`, "oldgit", RENAMED],
    [`evaluation warning: ${RENAMED}`, "oldgit", RENAMED],
    [`trace: warning: ${RENAMED}`, "git", undefined],
    ["trace: warning: git: use the new one", "git", "git: use the new one"],
    ["trace: warning: gitMinimal is deprecated", "git", undefined],
    ["trace: warning: git-lfs is deprecated", "git", undefined],
    [
      "trace: warning: The package xorg.xeyes is old",
      "xorg.xeyes",
      "The package xorg.xeyes is old",
    ],
    ["trace: warning: 'xeyes' is old", "xorg.xeyes", "'xeyes' is old"],
    ["trace: git is traced", "git", undefined],
    ["warning: git was found in a registry that nobody asked", "a.b", undefined],
    ["evaluation warning: stdenv.x is deprecated", "git", undefined],
  ];
  for (const [line, attribute, found] of table)
    test(`${line} is ${found === undefined ? "not " : ""}about ${attribute}`, () => {
      assert.equal(warningOf(attribute, ["other", line]), found);
    });
});

test(
  "a renamed package comes with the set's warning, whatever it is evaluated with",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const directory = directoryWith(
      t,
      packageSet(`
      git = program "git";
      oldGit = builtins.trace "warning: 'oldGit' has been renamed to 'git'" git;
      user = builtins.seq oldGit.drvPath (program "user");
    `),
    );
    for (const names of [["oldgit"], ["user", "oldgit", "git"], ["git", "user"]]) {
      const set = await open(t, `path:${directory}`);
      const outcomes = await set.build(
        { revision: await set.resolve("latest", signal), system, names },
        { signal, log: () => {} },
      );
      for (const outcome of outcomes) {
        assert.ok(outcome.kind === "built", JSON.stringify(outcome));
        assert.equal(
          outcome.package.warning,
          outcome.package.name === "oldgit" ? "'oldGit' has been renamed to 'git'" : undefined,
          `${outcome.package.name} of ${names.join(", ")}`,
        );
      }
    }
  },
);
