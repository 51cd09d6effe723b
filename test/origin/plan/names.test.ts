import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commonPrefix, storeName, versionless } from "../../../origin/plan/names.ts";

describe("names", () => {
  it("finds the name of a store path", () => {
    assert.equal(storeName("/nix/store/0123456789abcdfghijklmnpqrsvwxyz-git-2.39.5"), "git-2.39.5");
    assert.equal(storeName("git-2.39.5"), "git-2.39.5");
  });

  for (const [name, plain] of [
    ["git-2.39.5", "git"],
    ["git-2.39.5-doc", "git doc"],
    ["gcc-12.3.0-lib", "gcc lib"],
    ["glibc-2.37-8", "glibc"],
    ["glibc-2.37-8-bin", "glibc bin"],
    ["bash-interactive-5.2-p15", "bash-interactive"],
    ["python3.11-requests-2.28.1", "python3.11-requests"],
    ["openssl-1.1.1w", "openssl"],
    ["unstable-2024-01-01", "unstable"],
    ["source", "source"],
    ["x-", "x-"],
  ] as const) {
    it(`${name} is ${plain}`, () => assert.equal(versionless(name), plain));
  }

  it("counts the characters that two names begin with", () =>
    assert.equal(commonPrefix("openssl-3.0.9", "openssl-3.0.13"), 12));
});
