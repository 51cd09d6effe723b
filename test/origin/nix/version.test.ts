import assert from "node:assert/strict";
import { test } from "node:test";
import { isVulnerable, nixVersion } from "../../../origin/nix/version.ts";
import { needs } from "./support.ts";

const VULNERABLE = [
  "2.8.0",
  "2.18.1",
  "2.24.9",
  "2.28.5",
  "2.29.2",
  "2.30.3",
  "2.31.3",
  "2.32.6",
  "2.33.3",
  "2.34.4",
  "2.34",
  "2.34.5pre1",
  "2.35.0pre20260101_abc",
  "1.11",
  "lix-2.93.0",
  "unheard of",
  "",
];
const FIXED = [
  "2.28.6",
  "2.29.3",
  "2.30.4",
  "2.31.4",
  "2.31.10",
  "2.32.7",
  "2.33.4",
  "2.34.5",
  "2.35.0",
  "2.36.1",
  "2.40",
  "3.0.0",
];

for (const version of VULNERABLE)
  test(`builds may escape from Nix ${version}`, () => assert.equal(isVulnerable(version), true));
for (const version of FIXED)
  test(`builds cannot escape from Nix ${version}`, () =>
    assert.equal(isVulnerable(version), false));

test("the machine's Nix tells its version", needs("nix-build"), async () => {
  assert.match(await nixVersion(), /^(lix-)?\d+\.\d+/);
});
