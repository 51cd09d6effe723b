/** How far a command is, as a terminal and a log are told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bar, openProgress } from "../../../origin/commands/progress.ts";

for (const [done, total, shown] of [
  [0, 200, "[------------------------]   0 %  0 B of 200 B"],
  [50, 200, "[######------------------]  25 %  50 B of 200 B"],
  [1_999, 2_000, "[########################]  99 %  2.0 kB of 2.0 kB"],
  [2_000, 2_000, "[########################] 100 %  2.0 kB of 2.0 kB"],
  [0, 0, "[########################] 100 %  0 B of 0 B"],
  [300, 200, "[########################] 100 %  300 B of 200 B"],
] as const)
  test(`${done} of ${total} bytes`, () => assert.equal(bar(done, total), shown));

function written(isTTY: boolean, columns: number) {
  const chunks: string[] = [];
  const write = (text: string): boolean => chunks.push(text) > 0;
  return { stream: { write, isTTY, columns } as unknown as NodeJS.WriteStream, chunks };
}

test("a terminal's line is never wider than it, and holds nothing that it would obey", () => {
  const { stream, chunks } = written(true, 30);
  const progress = openProgress(stream);
  progress.step("x".repeat(100));
  assert.equal(chunks[0], `\r\u001b[2K${"x".repeat(28)}…`);
  progress.end();
  assert.equal(chunks.at(-1), "\r\u001b[2K");
  progress.end();
  assert.equal(chunks.length, 2, "what is cleared stays so");
});

test("elsewhere each step is a line, once; bars and details are left out", () => {
  const { stream, chunks } = written(false, 0);
  const progress = openProgress(stream);
  progress.step("packing");
  progress.bytes(1, 2);
  progress.detail("\u001b[31mred");
  progress.step("packing");
  progress.note("done");
  progress.end();
  assert.deepEqual(chunks, ["firn: packing\n", "firn: done\n"]);
});
