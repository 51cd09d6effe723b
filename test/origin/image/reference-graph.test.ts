/**
 * The hash of the empty string in each form: `nix-hash --to-base32` and `--to-sri` give the others.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { closureOf } from "../../../origin/image/reference-graph.ts";

const HEX = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const path = "/nix/store/00000000000000000000000000000000-a";
const other = "/nix/store/00000000000000000000000000000000-b";
const entry = (narHash: string) => ({
  path,
  narHash,
  narSize: 1,
  references: [path, other, other],
});

for (const [form, hash] of [
  ["hex", `sha256:${HEX}`],
  ["Nix's base 32", "sha256:0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"],
  ["SRI", "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="],
] as const)
  test(`a hash in ${form} is read, and a path does not refer to itself`, () => {
    assert.deepEqual(closureOf([entry(hash)]).get(path), {
      path,
      narHash: `sha256:${HEX}`,
      narSize: 1,
      references: [other],
    });
  });

test("a hash of another form is refused", () => {
  for (const hash of ["md5:00", "sha256:zz", "sha256-AAAA", `sha256:${"e".repeat(52)}`])
    assert.throws(() => closureOf([entry(hash)]), /unknown form/);
});
