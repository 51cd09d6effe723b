/**
 * What an evaluation may take: the package that takes more has a reason, the others their answer.
 */
import assert from "node:assert/strict";
import { describe as suite, test, type TestContext } from "node:test";
import { describe, type Description } from "../../../../origin/nix/evaluate/describe.ts";
import { FailureError } from "../../../../origin/nix/types.ts";
import type { NixLimits } from "../../../../origin/nix/limits.ts";
import { directoryWith, needs, packageSet, system, temporary } from "../support.ts";

/** Takes hours, in little memory. */
const LOOP = `
  slow = builtins.foldl' (a: b: builtins.foldl' (x: y: x + y) a range) 0
    (builtins.genList (x: x) 1000000);
  range = builtins.genList (x: x) 10000;`;
const HUGE = `
  huge = builtins.foldl' (all: i: all ++ builtins.genList (x: { inherit x i; }) 20000) [ ]
    (builtins.genList (x: x) 100000);`;

const limits = { ...needs("nix-instantiate"), timeout: 120_000 };

const evaluate = (
  t: TestContext,
  attributes: string,
  names: readonly string[],
  { timeLeft = 60_000, ...limits }: Partial<NixLimits> & { readonly timeLeft?: number },
): Promise<Description[]> =>
  describe(
    {
      settings: { stateDir: temporary(t), nixTimeout: 60, limits },
      source: {
        path: directoryWith(t, packageSet(`a = program "a"; z = program "z"; ${attributes}`)),
        importFromDerivation: false,
      },
      system,
      signal: t.signal,
      timeLeft: () => timeLeft,
      write: false,
    },
    names,
  );

suite("an evaluation", limits, () => {
  test("that takes too long costs the package alone, and names the limit", async (t) => {
    const found = await evaluate(t, LOOP, ["a", "slow", "z"], { evalTimeout: 2 });
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ["package", "refused", "package"],
    );
    const slow = found[1];
    assert.ok(slow?.kind === "refused");
    assert.equal(slow.refusal.reason, "timeout");
    assert.match(
      slow.refusal.message,
      /longer than 2 s, the limit of this origin \(EVAL_TIMEOUT\)/,
    );
  });

  test("that takes too much memory costs the package alone, and names the limit", async (t) => {
    const found = await evaluate(t, HUGE, ["a", "huge", "z"], { evalMemory: 400 * 1024 ** 2 });
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ["package", "refused", "package"],
    );
    const huge = found[1];
    assert.ok(huge?.kind === "refused");
    assert.equal(huge.refusal.reason, "limit");
    assert.match(huge.refusal.message, /more than 400 MiB of memory, the limit .* \(EVAL_MEMORY\)/);
  });

  test("that recurses without end is refused in Nix's words", async (t) => {
    const found = await evaluate(t, "deep = let f = n: 1 + f n; in f 0;", ["deep", "a"], {});
    const deep = found[0];
    assert.ok(deep?.kind === "refused");
    assert.match(deep.refusal.message, /stack overflow|max-call-depth/);
    assert.equal(found[1]?.kind, "package");
  });

  test("ends with the time of the job, for all", async (t) => {
    await assert.rejects(
      evaluate(t, LOOP, ["a", "slow"], { timeLeft: 1_500 }),
      (error: unknown) =>
        error instanceof FailureError &&
        error.failure.reason === "timeout" &&
        error.failure.message.includes("NIX_TIMEOUT"),
    );
  });
});
