/**
 * A crowd at an edge for three seconds: every answer is right, and the flood in it meets its limit.
 * How fast the honest ones are meanwhile is a figure of the bench: `npm run bench -- abuse`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ADDRESS_HEADER, crowd, startCrowdedEdge } from "./crowd.ts";
import { drive } from "./traffic.ts";

const SECONDS = 3;

test("in a crowd every body is what its digest says, and a flood from one address gets 429", async () => {
  const firn = await startCrowdedEdge({ LIMIT_REQUESTS: "60/3600" });
  try {
    const { hits, others } = await crowd(firn);
    const traffic = await drive({
      url: firn.url,
      addressHeader: ADDRESS_HEADER,
      seconds: SECONDS,
      groups: [...hits, ...others],
    });
    for (const { name, wrong, wrongCount } of traffic)
      assert.equal(wrongCount, 0, `${name}: ${wrong.join("\n")}`);
    const answersOf = (name: string): Readonly<Record<number, number>> =>
      traffic.find((group) => group.name === name)?.answers ?? {};
    assert.ok((answersOf("flood")[429] ?? 0) > 0, JSON.stringify(answersOf("flood")));
    for (const [name, status] of [
      ["hits", 200],
      ["blobs", 200],
      ["misses", 200],
      ["nonsense", 404],
    ] as const)
      assert.ok((answersOf(name)[status] ?? 0) > 0, `${name}: ${JSON.stringify(answersOf(name))}`);
    assert.deepEqual(
      firn.log.filter(({ event }) => event === "request.failed"),
      [],
    );
  } finally {
    await firn.stop();
  }
});
