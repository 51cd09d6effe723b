import assert from "node:assert/strict";
import { test } from "node:test";
import { RegistryError } from "../../../edge/pull/errors.ts";
import { parseReference } from "../../../edge/registry/reference.ts";

const hex = "0123456789abcdef".repeat(4);

test("tags and digests are told apart by the colon", () => {
  for (const tag of ["latest", "nixos-unstable", "_x", "23.11", "a".repeat(128), hex.slice(0, 40)])
    assert.deepEqual(parseReference(tag), { kind: "tag", tag });
  assert.deepEqual(parseReference(`sha256:${hex}`), { kind: "digest", digest: `sha256:${hex}` });
});

const invalid: [text: string, code: string][] = [
  ["", "TAG_INVALID"],
  ["-x", "TAG_INVALID"],
  [".x", "TAG_INVALID"],
  ["a b", "TAG_INVALID"],
  ["a/b", "TAG_INVALID"],
  ["latest\n", "TAG_INVALID"],
  ["--upload-pack=x", "TAG_INVALID"],
  ["a".repeat(129), "TAG_INVALID"],
  ["sha256:", "DIGEST_INVALID"],
  [`sha256:${hex.toUpperCase()}`, "DIGEST_INVALID"],
  [`sha256:${hex}0`, "DIGEST_INVALID"],
  [`sha256:${hex}\n`, "DIGEST_INVALID"],
  [`sha512:${hex}${hex}`, "DIGEST_INVALID"],
  [`md5:${hex.slice(0, 32)}`, "DIGEST_INVALID"],
  ["ext::sh", "DIGEST_INVALID"],
];
for (const [text, code] of invalid) {
  test(`${JSON.stringify(text.slice(0, 40))} is ${code}`, () => {
    assert.throws(
      () => parseReference(text),
      (error) => error instanceof RegistryError && error.status === 400 && error.code === code,
    );
  });
}
