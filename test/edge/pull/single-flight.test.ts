/** Work that several requests of one isolate want at the same time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { singleFlight } from "../../../edge/pull/single-flight.ts";

test("work under way is joined; afterwards, and after a failure, it is done anew", async () => {
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const work = async (): Promise<number> => {
    runs++;
    await gate.promise;
    return runs;
  };
  const all = [singleFlight("k", work), singleFlight("k", work), singleFlight("k", work)];
  gate.resolve();
  assert.deepEqual(await Promise.all(all), [1, 1, 1]);
  assert.equal(await singleFlight("k", work), 2);

  let failures = 0;
  const failing = (): Promise<number> =>
    failures++ === 0 ? Promise.reject(new Error("first")) : Promise.resolve(7);
  const [first, second] = await Promise.allSettled([
    singleFlight("f", failing),
    singleFlight("f", failing),
  ]);
  assert.equal(first.status, "rejected");
  assert.deepEqual(second, { status: "fulfilled", value: 7 });
});

test("work that never ends is done by the next request itself", { timeout: 30_000 }, async () => {
  void singleFlight("stuck", () => new Promise<number>(() => undefined));
  assert.equal(await singleFlight("stuck", () => Promise.resolve(1)), 1);
  assert.equal(await singleFlight("stuck", () => Promise.resolve(2)), 2);
});
