/** What an isolate remembers is bounded, whatever is put in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { memory } from "../../../edge/store/memory.ts";

interface Sized {
  readonly bytes: number;
}
const ofBudget = (budget: number) => memory<Sized>(budget, ({ bytes }) => bytes);

test("it never holds more than its budget, and what is used stays", () => {
  const remembered = ofBudget(100_000);
  remembered.set("used", { bytes: 1_000 });
  for (let n = 0; n < 1_000; n++) {
    remembered.set(`k${n}`, { bytes: 1_000 });
    assert.ok(remembered.get("used"), `after ${n}`);
  }
  const values = [...remembered.values()];
  const held = values.reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(held <= 100_000, `${held} bytes are held`);
  assert.ok(values.length >= 50, `${values.length} values are held`);
});

test("keys count too: many small values with long keys stay within the budget", () => {
  const remembered = ofBudget(100_000);
  for (let n = 0; n < 1_000; n++) remembered.set(`${n}`.padEnd(1_000), { bytes: 0 });
  assert.ok(remembered.size <= 50, `${remembered.size} values are held`);
});

test("a value larger than the budget is not kept, and drives nothing out", () => {
  const remembered = ofBudget(10_000);
  remembered.set("small", { bytes: 10 });
  remembered.set("large", { bytes: 10_000 });
  assert.equal(remembered.get("large"), undefined);
  assert.ok(remembered.get("small"));
});

test("setting one key over and over fills nothing", () => {
  const remembered = ofBudget(10_000);
  remembered.set("kept", { bytes: 100 });
  for (let n = 0; n < 1_000; n++) remembered.set("same", { bytes: 100 });
  assert.ok(remembered.get("kept"));
});
