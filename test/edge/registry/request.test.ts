/** Tags and digests as paths hold them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RegistryError } from "../../../edge/pull/errors.ts";
import { requestedReference } from "../../../edge/registry/request.ts";

const parse = (reference: string): unknown => requestedReference({ params: { reference } });
const hex = "0123456789abcdef".repeat(4);

test("a reference with a colon is a digest, encoded or not; any other is a tag", () => {
  for (const tag of ["latest", "nixos-unstable", "_x", "23.11", "a".repeat(128), hex.slice(0, 40)])
    assert.deepEqual(parse(tag), { kind: "tag", tag });
  for (const digest of [`sha256:${hex}`, `sha256%3A${hex}`, `sha256%3a${hex}`])
    assert.deepEqual(parse(digest), { kind: "digest", digest: `sha256:${hex}` });
});

/** What can be no tag is unknown, as every other tag that no image has. */
const STATUS: Readonly<Record<string, number>> = { MANIFEST_UNKNOWN: 404, DIGEST_INVALID: 400 };
const invalid: [text: string, code: string][] = [
  ["", "MANIFEST_UNKNOWN"],
  ["-x", "MANIFEST_UNKNOWN"],
  [".x", "MANIFEST_UNKNOWN"],
  ["a b", "MANIFEST_UNKNOWN"],
  ["a/b", "MANIFEST_UNKNOWN"],
  ["latest\n", "MANIFEST_UNKNOWN"],
  ["--upload-pack=x", "MANIFEST_UNKNOWN"],
  ["a".repeat(129), "MANIFEST_UNKNOWN"],
  ["sha256:", "DIGEST_INVALID"],
  [`sha256:${hex.toUpperCase()}`, "DIGEST_INVALID"],
  [`sha256:${hex}0`, "DIGEST_INVALID"],
  [`sha256:${hex}\n`, "DIGEST_INVALID"],
  [`sha512:${hex}${hex}`, "DIGEST_INVALID"],
  [`md5:${hex.slice(0, 32)}`, "DIGEST_INVALID"],
  ["ext::sh", "DIGEST_INVALID"],
  ["a%", "MANIFEST_UNKNOWN"],
];
for (const [text, code] of invalid) {
  test(`${JSON.stringify(text.slice(0, 40))} is ${code}`, () => {
    assert.throws(
      () => parse(text),
      (error) =>
        error instanceof RegistryError && error.status === STATUS[code] && error.code === code,
    );
  });
}
