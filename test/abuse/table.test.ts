/** The tables of README.md name tests that exist: an attack whose test is gone is not defended. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

const TEST = join(import.meta.dirname, "..");
const NAMED = /`([a-z0-9/-]+)` "([^"]+)"/g;
const readme = await readFile(join(import.meta.dirname, "README.md"), "utf8");

/** The line below the head of a table. */
const isRule = (line: string | undefined): boolean => /^\| *-/.test(line ?? "");

test("every row names a test", () => {
  const lines = readme.split("\n");
  const rows = lines.filter(
    (line, at) => line.startsWith("|") && !isRule(line) && !isRule(lines[at + 1]),
  );
  assert.ok(rows.length > 40, `${rows.length} rows`);
  for (const row of rows) assert.match(row, /`[a-z0-9/-]+` "[^"]+"/);
});

for (const [, file = "", title = ""] of readme.matchAll(NAMED))
  test(`${file}: ${title}`, async () => {
    const source = await readFile(join(TEST, `${file}.test.ts`), "utf8");
    // A title, or the part of one that a table makes: within quotes in the source.
    const escaped = title.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const quoted = new RegExp(`["'\`][^"'\`\\n]*${escaped}`);
    assert.match(source, quoted, `${file}.test.ts has no test of this title`);
  });
