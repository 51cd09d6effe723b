/** When an origin lists the set's tags, and tells them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { tagLister } from "../../origin/list-tags.ts";

test("at once, then again when it is asked for after a while", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const told: (readonly string[])[] = [];
  let listed = 0;
  const list = tagLister({
    list: () => Promise.resolve([`v${++listed}`]),
    tell: (tags) => told.push(tags),
    onError: assert.fail,
    again: 1_000,
  });
  for (const ms of [0, 1, 998, 1, 5]) {
    t.mock.timers.tick(ms);
    list();
    await Promise.resolve();
  }
  assert.deepEqual(told, [["v1"], ["v2"]]);
});

const tell = () => assert.fail("told");

test("a set without a list tells nothing; trouble is for the log", async () => {
  const errors: string[] = [];
  const onError = ({ message }: Error) => errors.push(message);
  tagLister({ list: () => Promise.resolve(undefined), tell, onError })();
  tagLister({ list: () => Promise.reject(new Error("no network")), tell, onError })();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(errors, ["no network"]);
});
