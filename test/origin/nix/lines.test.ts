import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LineSplitter,
  logGate,
  MAX_LINE,
  MAX_LINES,
  MAX_LINES_PER_SECOND,
  Tail,
} from "../../../origin/nix/lines.ts";

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

test("a line without end takes no memory and is cut short", () => {
  const [line = ""] = split(...Array.from({ length: 100 }, () => "x".repeat(10_000)));
  assert.equal(line.length, MAX_LINE);
  assert.ok(line.endsWith("…"));
});

test("a flood is held back by the second and altogether, and said to be", () => {
  let now = 1_000_000;
  const lines: string[] = [];
  const gate = logGate(
    (line) => lines.push(line),
    () => now,
  );
  for (let index = 0; index < MAX_LINES_PER_SECOND + 7; index += 1) gate.write("x");
  assert.equal(lines.length, MAX_LINES_PER_SECOND);
  now += 1_000;
  gate.write("later");
  assert.deepEqual(lines.slice(-2), ["(7 lines left out)", "later"]);
  for (let index = 0; index < 2 * MAX_LINES; index += 1) {
    now += 1_000;
    gate.write("y");
  }
  gate.end();
  assert.equal(lines.filter((line) => !line.includes("left out")).length, MAX_LINES);
  assert.match(lines.at(-1) ?? "", /^\(\d+ lines left out\)$/);
});

test("a tail keeps the last lines", () => {
  const tail = new Tail(3);
  for (let index = 0; index < 100; index += 1) tail.add(String(index));
  assert.deepEqual(tail.lines, ["97", "98", "99"]);
});
