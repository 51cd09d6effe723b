/** `firn farm` in a terminal: the screen is given back however it ends. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { soon } from "../../harness/soon.ts";
import { watch } from "../../../origin/operator/watch.ts";

test("who leaves while the edge hangs gets the terminal back at once", async () => {
  const written: string[] = [];
  const asked = Promise.withResolvers<void>();
  const stop = new AbortController();
  let calls = 0;
  const watching = watch({
    terminal: { columns: 80, rows: 24, write: (text) => (written.push(String(text)), true) },
    every: 1,
    signal: stop.signal,
    make: () => {
      calls += 1;
      if (calls === 1) return Promise.resolve(["the farm"]);
      asked.resolve();
      return new Promise<never>(() => {});
    },
  });
  await asked.promise;
  stop.abort();
  await soon("the terminal is given back", watching);
  // xterm's control sequences: the cursor, and the screen of before.
  assert.equal(written.at(-1), "\u001b[?25h\u001b[?1049l");
});
