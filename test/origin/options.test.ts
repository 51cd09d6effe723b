import assert from "node:assert/strict";
import { test } from "node:test";
import { ORIGIN, SHARED, withoutUnset } from "../../origin/options.ts";

test("the package policy is read as the edge reads it, and a glob that is wrong is named", () => {
  const { packagesDeny, packagesAllow } = ORIGIN;
  assert.deepEqual(packagesDeny.parseArg?.("off", []), []);
  const allowed = ["git", "python3packages.*"];
  assert.deepEqual(packagesAllow.parseArg?.(allowed.join(", "), []), allowed);
  assert.throws(() => packagesDeny.parseArg?.("*".repeat(9), []), /PACKAGES_DENY: the glob/);
});

const remaining = (env: Record<string, string>): Record<string, string> => {
  withoutUnset(env, [ORIGIN.allowVulnerableNix, SHARED.s3Region]);
  return env;
};

test("empty variables count as unset, and so does a flag's variable that says no", () => {
  assert.deepEqual(remaining({ S3_REGION: "", OTHER: "" }), { OTHER: "" });
  for (const no of ["", "0", "false", "No", "off"])
    assert.deepEqual(remaining({ ALLOW_VULNERABLE_NIX: no }), {}, no);
  assert.deepEqual(remaining({ ALLOW_VULNERABLE_NIX: "1", S3_REGION: "no" }), {
    ALLOW_VULNERABLE_NIX: "1",
    S3_REGION: "no",
  });
});
