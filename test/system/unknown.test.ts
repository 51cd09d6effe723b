/** Names of nonsense against a whole Firn with the starter set: they reach no origin. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";

const skip = await firnUnavailable();

describe("nonsense", { skip }, () => {
  let firn: Firn;
  before(async () => {
    firn = await startFirn();
  });
  after(() => firn.stop());

  const pull = async (name: string) => {
    const answer = await fetch(`${firn.url}/v2/${name}/manifests/latest`);
    const body = (await answer.json()) as { errors?: { code: string; message: string }[] };
    return { status: answer.status, error: body.errors?.[0] };
  };
  /** What the origin's log says of jobs that were begun: their items. */
  const jobs = (): string[] =>
    firn.origins.flatMap(({ lines }) => lines.filter((line) => line.includes("job begun")));

  test("30 names: each is a 404 with the nearest names, and all of them cost one evaluation", async () => {
    const { status, error } = await pull("shell/no-such-package/gti");
    assert.equal(status, 404);
    assert.equal(error?.code, "MANIFEST_UNKNOWN");
    assert.match(error.message, /there is no package no-such-package/);
    assert.match(error.message, /there is no package gti \(nearest: git\b/);
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, n) => pull(`nonsense-${n}${n % 2 ? "/shell" : ""}`)),
    );
    for (const answer of answers) assert.equal(answer.status, 404, answer.error?.message);
    assert.equal((await pull("python3packages.nonsense")).status, 404);
    // Jobs arrive in order: with this one, those for nonsense would be there too.
    assert.equal((await pull("hello")).status, 200);
    const begun = jobs();
    assert.equal(begun.filter((line) => /\bindex\b(?! of)/.test(line)).length, 1, firn.log());
    assert.deepEqual(
      begun.filter((line) => /nonsense|no-such|gti|coreutils/.test(line)),
      [],
    );
  });
});
