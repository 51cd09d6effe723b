/** The gzip of links: every tar comes out again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import * as fc from "fast-check";
import { gzipLinks } from "../../../edge/compose/gzip-links.ts";
import { tarHeader } from "../../../edge/contract/tar.ts";

const LONGEST_REPEAT = 258;

const holds = (tar: Uint8Array): void =>
  assert.ok(gunzipSync(gzipLinks(tar)).equals(tar), `${tar.length} bytes come out as others`);

const linksOf = (names: readonly string[]): Buffer =>
  Buffer.concat(
    names.map((name) =>
      tarHeader({
        path: `bin/${name}`,
        type: "symlink",
        mode: 0o777,
        linkname: `/nix/store/${"0".repeat(32)}-${name.slice(0, 3)}/bin/${name}`,
      }),
    ),
  );
const LINKS = linksOf(Array.from({ length: 150 }, (_, number) => `program-${number * 7}`));

test("repeats of every length, from either distance", () => {
  for (const distance of [1, 512])
    for (let length = 1; length <= 2 * LONGEST_REPEAT + 4; length++) {
      const before = Buffer.alloc(distance, 0x61);
      before[0] = 0x62;
      const tar = Buffer.alloc(distance + length, before);
      tar[tar.length - 1] = 0x63;
      holds(tar);
    }
});

test("every byte", () => {
  holds(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
  for (let byte = 0; byte < 256; byte++) holds(Buffer.from([byte]));
  holds(Buffer.alloc(0));
});

test("any bytes, in blocks that are alike in part", () => {
  const change = fc.tuple(fc.nat(511), fc.uint8Array({ maxLength: 100 }));
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 5 }), { maxLength: 20 }), (changes) => {
      const block = Buffer.alloc(512);
      holds(
        Buffer.concat(
          changes.map((each) => {
            for (const [offset, bytes] of each) block.set(bytes.subarray(0, 512 - offset), offset);
            return Buffer.from(block);
          }),
        ),
      );
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3_000 }), holds));
});

test("a link takes a sixteenth of its header", () => {
  holds(LINKS);
  const size = gzipLinks(LINKS).length;
  assert.ok(size < LINKS.length / 16, `${size} bytes`);
});
