/** Which packages may be asked for. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { packagePolicy, policyRefusal } from "../../../edge/contract/package-policy.ts";

const refused = (variables: Parameters<typeof packagePolicy>[0], name: string) =>
  policyRefusal(packagePolicy(variables), name);

describe("the default policy", () => {
  for (const name of [
    "pkgs.hello",
    "pkgscross.aarch64-multiplatform.hello",
    "pkgsstatic.bash",
    "pkgsmusl.git",
    "pkgsi686linux.hello",
    "python3packages.pkgs.hello",
    "buildpackages.gcc",
    "hello.buildpackages.gcc",
    "targetpackages.hello",
    "gcc.targetpackages.hello",
    "nixostests.login.x",
    "git.tests.x",
    "tests.stdenv",
  ])
    test(`denies ${name}`, () => {
      assert.match(refused({}, name) ?? "", new RegExp(`the package ${name} .* denies `));
    });
  for (const name of ["git", "pkg-config", "python3packages.numpy", "xorg.xev", "git.man", "7zz"])
    test(`lets ${name} through`, () => {
      assert.equal(refused({}, name), undefined);
    });
});

describe("an operator's policy", () => {
  test("allows what it lists and nothing else", () => {
    const variables = { PACKAGES_ALLOW: "git, curl  xorg.*" };
    assert.equal(refused(variables, "xorg.xev"), undefined);
    assert.match(refused(variables, "gcc") ?? "", /does not list it/);
  });
  test("deny wins over allow, and replaces the default when it is set", () => {
    const variables = { PACKAGES_ALLOW: "*", PACKAGES_DENY: "gcc*" };
    assert.match(refused(variables, "gcc13") ?? "", /denies gcc\*/);
    assert.equal(refused(variables, "pkgsstatic.bash"), undefined);
    for (const name of ["pkgsstatic.bash", "off"])
      assert.equal(refused({ PACKAGES_DENY: "off" }, name), undefined);
  });
  test("a glob that is wrong is an error that names the variable", () => {
    assert.throws(
      () => packagePolicy({ PACKAGES_DENY: "*a*a*a*a*a*a*a*a*a" }),
      /^Error: PACKAGES_DENY/,
    );
    assert.throws(() => packagePolicy({ PACKAGES_ALLOW: "a ".repeat(201) }), /201 globs; the most/);
  });
});
