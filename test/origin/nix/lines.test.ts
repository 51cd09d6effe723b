import assert from "node:assert/strict";
import { test } from "node:test";
import { LineSplitter, MAX_LINE, Tail } from "../../../origin/nix/lines.ts";

function split(...chunks: (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  for (const chunk of chunks) splitter.write(Buffer.from(chunk));
  splitter.end();
  return lines;
}

test("lines come whole however the bytes were cut", () => {
  assert.deepEqual(split("a", "b\nc\n\nd"), ["ab", "c", "", "d"]);
  const euro = Buffer.from("€\n");
  assert.deepEqual(split(euro.subarray(0, 1), euro.subarray(1)), ["€"]);
});

test("colours and control characters go, a progress bar shows its last state", () => {
  assert.deepEqual(split("\u001b[31;1merror:\u001b[0m x\u0007\ty\r\n", "10%\r50%\r100%\n"), [
    "error: x y",
    "100%",
  ]);
});

test("a line without an end is cut short", () => {
  const [line = ""] = split(...Array.from({ length: 100 }, () => "x".repeat(10_000)));
  assert.equal(line.length, MAX_LINE);
  assert.ok(line.endsWith("…"));
});

test("a line longer than any string can be takes no memory", () => {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  const bytes = Buffer.alloc(2 ** 20, "x");
  // V8 throws above 2 ** 29 characters.
  for (let written = 0; written <= 2 ** 29; written += bytes.length) splitter.write(bytes);
  splitter.write(Buffer.from("\nnext\n"));
  assert.deepEqual([lines[0]?.length, lines[1]], [MAX_LINE, "next"]);
});

test("a tail keeps the last lines", () => {
  const tail = new Tail(3);
  for (let index = 0; index < 100; index += 1) tail.add(String(index));
  assert.deepEqual(tail.lines, ["97", "98", "99"]);
});
