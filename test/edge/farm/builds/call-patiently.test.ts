/** Asking the farm while the objects fail: for some seconds it is tried again, and no longer. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { Answer } from "../../../../edge/farm/builds/answer.ts";
import { callPatiently } from "../../../../edge/farm/builds/call-patiently.ts";

/** As the runtime marks the error of an object that it has reset. */
const reset = (): Error =>
  Object.assign(new Error("internal error; reference = 0"), { durableObjectReset: true });

/** Asks for an hour, whose calls end as `call` says; the clock is the test's. */
async function asked(
  t: TestContext,
  call: (calls: number) => Promise<Answer>,
): Promise<{ readonly ended: Answer | Error; readonly seconds: number }> {
  t.mock.timers.enable({ apis: ["Date", "setTimeout"], now: 1_000_000 });
  t.mock.method(console, "warn", () => undefined);
  let calls = 0;
  const end: { value?: Answer | Error } = {};
  callPatiently(() => call(++calls), { build: "b", waitMs: 3_600_000 }).then(
    (answer) => (end.value = answer),
    (error: Error) => (end.value = error),
  );
  for (let tick = 0; end.value === undefined && tick < 7_200; tick += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(500);
  }
  assert.ok(end.value, "it ends within the hour");
  return { ended: end.value, seconds: (Date.now() - 1_000_000) / 1_000 };
}

test("objects that go on failing: who waits is told within half a minute", async (t) => {
  const { ended, seconds } = await asked(t, () => Promise.reject(reset()));
  assert.ok(ended instanceof Error);
  assert.ok(seconds < 30, `after ${seconds} s`);
});

test("objects that fail for some seconds: it is not noticed", async (t) => {
  const { ended } = await asked(t, (calls) =>
    calls < 6 ? Promise.reject(reset()) : Promise.resolve({ state: "no-origin" }),
  );
  assert.deepEqual(ended, { state: "no-origin" });
});
