/** Closures as blobs: what is written is read, within the limits, and nothing else is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import * as fc from "fast-check";
import {
  type ClosureEntry,
  closureContent,
  closureParts,
  closurePaths,
  MAX_CLOSURE_PATHS,
  type PackageClosure,
} from "../../../edge/contract/closure.ts";
import { nameAndVersion, storeName } from "../../../edge/contract/store-path.ts";
import {
  ClosureTooLarge,
  decodeClosure,
  encodeClosure,
  MAX_CLOSURE_BYTES,
} from "../../../edge/contract/closure-blob.ts";
import { DamagedBlob } from "../../../edge/contract/records.ts";
import { closureOf, entry, samplePackage } from "../closures.ts";

const digest = `sha256:${"0".repeat(64)}` as const;
const path = (name: string, letter = "a"): string => `/nix/store/${letter.repeat(32)}-${name}`;

const [GLIBC, CURL] = [path("glibc-2.40"), path("curl-8.11.0", "b")];
const [FIRST, SECOND] = ["a", "b"].map((digit) => digit.repeat(64)) as [string, string];
const SAMPLE: PackageClosure = {
  ...samplePackage(CURL, [GLIBC], {
    pname: "curl",
    version: "8.11.0",
    description: "transfers data",
    homepage: "https://curl.se/",
    licenses: [{ spdxId: "curl", name: "curl License" }, { name: "Other" }],
  }),
  parts: { [SECOND]: [1], [FIRST]: [0] },
};

test("what is written is read again, the same bytes whatever the order", () => {
  const blob = encodeClosure(SAMPLE);
  assert.deepEqual(decodeClosure(blob, { digest }), SAMPLE);
  const entries = SAMPLE.paths.map(({ references, ...rest }): ClosureEntry => ({
    ...rest,
    references: references.map((at) => SAMPLE.paths[at]?.path ?? ""),
  }));
  const paths = closurePaths(entries.toReversed());
  assert.deepEqual(
    encodeClosure({ ...SAMPLE, paths, parts: { [FIRST]: [0], [SECOND]: [1] } }),
    blob,
  );
});

test("parts and references are in one order, and parts without what is not in the closure", () => {
  const [a, b, c] = ["a", "b", "c"].map((letter) => path("x", letter)) as [string, string, string];
  const paths = closurePaths([entry(c, { references: [c, a, b] }), entry(a), entry(b)]);
  assert.deepEqual(paths.at(-1)?.references, [0, 1, 2]);
  const layers = [
    { key: FIRST, paths: [{ path: c }, { path: path("base", "0") }, { path: a }] },
    { key: SECOND, paths: [{ path: b }] },
  ];
  assert.deepEqual(closureParts(paths, layers), { [FIRST]: [0, 2], [SECOND]: [1] });
});

test("references are those of the closure itself", () => {
  assert.throws(() => closureOf(entry(CURL, { references: [GLIBC] })), /is not in the closure/);
});

test("ten thousand store paths fit, and are small", () => {
  const names = Array.from({ length: 10_000 }, (_, at) =>
    entry(`/nix/store/${String(at).padStart(32, "0")}-some-library-of-texlive-2024.${at}`),
  );
  const linked = names.map((one, at) => ({
    ...one,
    references: names.slice(Math.max(0, at - 10), at).map((other) => other.path),
  }));
  const blob = encodeClosure(closureOf(...linked));
  assert.equal(decodeClosure(blob, { digest }).paths.length, 10_000);
  assert.ok(blob.length < 1.5 * 2 ** 20, `${blob.length} bytes`);
});

test("what is beyond a limit is not written", () => {
  const [one] = SAMPLE.paths;
  assert.ok(one);
  const many = Array.from({ length: MAX_CLOSURE_PATHS + 1 }, () => one);
  assert.throws(() => encodeClosure({ ...SAMPLE, paths: many }), ClosureTooLarge);
  const wordy = Array.from({ length: 10_000 }, () => ({ ...one, description: "x".repeat(1_000) }));
  assert.throws(() => encodeClosure({ ...SAMPLE, paths: wordy }), ClosureTooLarge);
});

const blobOf = (closure: unknown): Uint8Array => gzipSync(JSON.stringify(closure));
const withPath = (at: number, change: object): PackageClosure => ({
  ...SAMPLE,
  paths: SAMPLE.paths.map((one, index) => (index === at ? { ...one, ...change } : one)),
});
const DAMAGED: readonly [string, Uint8Array][] = [
  ["no gzip", new TextEncoder().encode("{}")],
  ["no JSON", gzipSync("{")],
  ["no UTF-8", gzipSync(new Uint8Array([0x22, 0xff, 0x22]))],
  ["half of it", encodeClosure(SAMPLE).subarray(0, 100)],
  ["more than may be inflated", gzipSync(new Uint8Array(MAX_CLOSURE_BYTES + 1))],
  ["another format", blobOf({ ...SAMPLE, format: 9 })],
  ["no path", blobOf({ ...SAMPLE, paths: [] })],
  ["unsorted", blobOf({ ...SAMPLE, paths: SAMPLE.paths.toReversed() })],
  ["a path twice", blobOf({ ...SAMPLE, paths: [SAMPLE.paths[0], SAMPLE.paths[0]] })],
  ["a path outside the store", blobOf(withPath(0, { path: "/etc/passwd" }))],
  ["a reference to nothing", blobOf(withPath(0, { references: [2] }))],
  ["a deriver that is no derivation", blobOf(withPath(0, { deriver: GLIBC }))],
  ["a hash of another kind", blobOf(withPath(0, { narHash: "sha1:00" }))],
  ["a field that nobody knows", blobOf({ ...SAMPLE, extra: 1 })],
];
for (const [what, blob] of DAMAGED)
  test(`a damaged blob is told: ${what}`, () => {
    assert.throws(() => decodeClosure(blob, { digest }), DamagedBlob);
  });

test("no bytes, however damaged, do anything else", () => {
  const blob = encodeClosure(SAMPLE);
  fc.assert(
    fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = blob.slice();
      changed[at] = (changed[at] ?? 0) ^ flip;
      try {
        decodeClosure(changed, { digest });
      } catch (error) {
        assert.ok(error instanceof DamagedBlob, String(error));
      }
    }),
  );
});

test("origins agree on a closure whatever their Nix knows of derivers", async () => {
  const content = await closureContent(SAMPLE, CURL);
  const other = { ...withPath(0, { deriver: undefined }), nix: "2.18.1" };
  assert.equal(await closureContent(other, CURL), content);
  const more = withPath(0, { pname: "glibc", version: "2.40", homepage: "https://example.org/" });
  assert.equal(await closureContent(more, CURL), content, "what one of them knows of a dependency");
  for (const different of [
    withPath(0, { narHash: digest }),
    withPath(1, { references: [] }),
    withPath(1, { homepage: "https://example.org/" }),
    { ...SAMPLE, derivation: path("other.drv") },
    { ...SAMPLE, parts: { [FIRST]: [0, 1] } },
  ])
    assert.notEqual(await closureContent(different, CURL), content);
});

test("names and versions are told apart as Nix does", () => {
  const table: readonly [string, string, string][] = [
    ["glibc-2.40-66", "glibc", "2.40-66"],
    ["hello", "hello", ""],
    ["python3.12-requests-2.32.3", "python3.12-requests", "2.32.3"],
    ["libpcre2_8_0-10.42", "libpcre2_8_0", "10.42"],
    ["source", "source", ""],
    ["a--b-1", "a", "-b-1"],
  ];
  for (const [name, pname, version] of table)
    assert.deepEqual(nameAndVersion(name), { name: pname, version }, name);
  assert.equal(storeName(GLIBC), "glibc-2.40");
});
