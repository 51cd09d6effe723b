import assert from "node:assert/strict";
import { test } from "node:test";
import { limitLog, LogTail, MAX_LINES, MAX_LINES_PER_SECOND } from "../../../origin/nix/log.ts";

test("lines are limited by the second and in all, and the log says how many were left out", () => {
  let now = 1_000_000;
  const lines: string[] = [];
  const limited = limitLog(
    (line) => lines.push(line),
    () => now,
  );
  for (let index = 0; index < MAX_LINES_PER_SECOND + 7; index += 1) limited.write("x");
  assert.equal(lines.length, MAX_LINES_PER_SECOND);
  now += 1_000;
  limited.write("later");
  assert.deepEqual(lines.slice(-2), ["(7 lines left out)", "later"]);
  for (let index = 0; index < 2 * MAX_LINES; index += 1) {
    now += 1_000;
    limited.write("y");
  }
  limited.end();
  assert.equal(lines.filter((line) => !line.includes("left out")).length, MAX_LINES);
  assert.match(lines.at(-1) ?? "", /^\(\d+ lines left out\)$/);
});

test("the tail of a log stays within its limit, and says how many lines it left out", () => {
  const tail = new LogTail(100);
  assert.equal(tail.empty, true);
  tail.add("line 0");
  assert.equal(tail.text(), "line 0\n");
  for (let line = 1; line < 1_000; line += 1) tail.add(`line ${line}`);
  const kept = Array.from({ length: 11 }, (_, index) => `line ${989 + index}`);
  assert.equal(tail.text(), ["(989 earlier lines left out)", ...kept, ""].join("\n"));
});
