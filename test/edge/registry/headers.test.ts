/** Headers whose values are more than a constant. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  isUnchanged,
  reasonPhrase,
  warning,
  warningValues,
} from "../../../edge/registry/headers.ts";

/** For all warnings of a response (distribution spec 1.1, "Warnings"). */
const SPEC_BYTES = 4_096;

test("a Warning of any length is one line within the spec's limit", () => {
  for (const text of ["x".repeat(100_000), "é\n".repeat(50_000), '"'.repeat(50_000)]) {
    const value = warning(text);
    assert.ok(Buffer.byteLength(value) <= SPEC_BYTES, `${Buffer.byteLength(value)} bytes`);
    assert.match(value, /^299 - "[\x20-\x7e]+"$/);
  }
});

test("several Warnings, in their order, take no more than the spec allows for all", () => {
  assert.deepEqual(warningValues(["one", "two"]), ['299 - "one"', '299 - "two"']);
  const many = warningValues(Array.from({ length: 10 }, (_, at) => `${at}`.repeat(1_000)));
  assert.ok(Buffer.byteLength(many.join(", ")) <= SPEC_BYTES);
  assert.deepEqual(
    many.map((value) => value.slice(7, 9)),
    ["00", "11", "22", "33"],
  );
});

test("a Warning is a quoted string that no text can end or escape", () => {
  assert.equal(warning("no\r\nSet-Cookie: a"), '299 - "no Set-Cookie: a"');
  assert.equal(warning('say "hi" \\ twice'), `299 - "say 'hi' ' twice"`);
  assert.equal(warning("naïve"), '299 - "na ve"');
});

test("a reason phrase is one line of ASCII, however long the message is", () => {
  assert.equal(reasonPhrase("no\r\nSet-Cookie: ‘a’ “b” 1…"), "no Set-Cookie: 'a' \"b\" 1...");
  const long = reasonPhrase("é".repeat(10) + "x".repeat(100_000));
  assert.match(long, /^ x{799}\.\.\.$/);
});

test("If-None-Match is compared weakly, in a list, or is *", () => {
  const etag = '"sha256:00"';
  for (const [header, unchanged] of [
    [etag, true],
    [`W/${etag}`, true],
    [`"x" ,  ${etag}`, true],
    ["*", true],
    ['"x"', false],
    ["sha256:00", false],
    ["", false],
  ] as const)
    assert.equal(isUnchanged(new Headers({ "If-None-Match": header }), etag), unchanged, header);
  assert.equal(isUnchanged(new Headers(), etag), false);
});
