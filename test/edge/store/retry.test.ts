/** Attempts are repeated as often, and for as long, as the caller says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withRetries } from "../../../edge/store/retry.ts";

/** Fails `times` times with an error of its own, then succeeds. */
function failing(times: number, make = (n: number): Error => new Error(`failure ${n}`)) {
  let calls = 0;
  const attempt = (): Promise<number> =>
    ++calls <= times ? Promise.reject(make(calls)) : Promise.resolve(calls);
  return { attempt, calls: () => calls };
}

test("the first success is the result, and every failure before it is told", async () => {
  const told: string[] = [];
  const { attempt } = failing(2);
  const onFailure = (error: Error, number: number): void =>
    void told.push(`${number}: ${error.message}`);
  assert.equal(await withRetries(attempt, { attempts: 3, onFailure }), 3);
  assert.deepEqual(told, ["1: failure 1", "2: failure 2"]);
});

test("after the last attempt its error is thrown", async () => {
  const { attempt, calls } = failing(9);
  await assert.rejects(withRetries(attempt, { attempts: 3 }), /failure 3/);
  assert.equal(calls(), 3);
});

test("after the time no attempt begins any more", async () => {
  const { attempt, calls } = failing(Number.POSITIVE_INFINITY);
  await assert.rejects(withRetries(attempt, { withinMs: 200 }), /failure/);
  assert.ok(calls() >= 2, `${calls()} attempts`);
});

test("an error that will not pass is thrown at once", async () => {
  const refused = failing(9);
  await assert.rejects(
    withRetries(refused.attempt, {
      attempts: 5,
      mayPass: ({ message }) => message !== "failure 2",
    }),
    /failure 2/,
  );
  assert.equal(refused.calls(), 2);
  const mistaken = failing(9, () => new TypeError("x is not a function"));
  await assert.rejects(withRetries(mistaken.attempt, { attempts: 5 }), TypeError);
  assert.equal(mistaken.calls(), 1);
});
