/**
 * An origin that has a key and means harm: what it says is taken for nothing but words. After each
 * attack an honest origin is given a job and does it, and nothing of the attack is in its way.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CLOSE, MAX_MESSAGE } from "../../edge/contract/messages.ts";
import { type FarmEdge, startFarm } from "../edge/farm/farm-edge.ts";
import { configured, startOrigin } from "../edge/farm/origins.ts";
import { hello, rawOrigin } from "../edge/farm/raw-origin.ts";
import { tagItems } from "../edge/farm/records.ts";
import { until } from "../harness/until.ts";

const NO_JOB = "00000000-0000-4000-8000-000000000000";
const REVISION = "f".repeat(40);
const failed = { type: "failed", job: NO_JOB, failure: { reason: "failed", message: "x" } };

let edge: FarmEdge;
before(async () => {
  edge = await startFarm({ vars: { ORIGINS: configured(["a", "b"]) } });
});
after(() => edge.stop());

let tags = 0;
/** A tag that nobody asked for before goes to an honest origin, and comes back. */
async function stillWorks(t: Parameters<typeof startOrigin>[0]): Promise<void> {
  const honest = startOrigin(t, edge, "b");
  await honest.reached("connected");
  const answer = await edge.ask(tagItems(`t${++tags}`));
  assert.equal(answer.state, "done", JSON.stringify(answer));
  assert.equal(honest.jobs.length, 1);
}

const nested = (open: string, close: string, depth: number): string =>
  open.repeat(depth) + close.repeat(depth);

describe("messages that end the connection, and nothing else", () => {
  const table: readonly (readonly [what: string, message: () => string])[] = [
    ["a message of 16 MiB and more", () => "x".repeat(MAX_MESSAGE + 1)],
    ["lists in lists", () => nested("[", "]", 200_000)],
    ["objects in objects", () => `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`],
    ["a log of lists in lists", () => `{"type":"log","lines":${nested("[", "]", 100_000)}}`],
    ["a number that is none", () => '{"type":"accepted","job":1e999}'],
    ["a prototype in a message", () => '{"type":"bye","__proto__":{"admin":true}}'],
    ["a constructor in a message", () => '{"type":"bye","constructor":{"prototype":{"x":1}}}'],
    ["a type that every object has", () => '{"type":"constructor"}'],
    ["another", () => '{"type":"__proto__"}'],
    ["a message of the edge", () => JSON.stringify({ type: "settled", job: NO_JOB })],
    ["half a character", () => '{"type":"log","job":"\ud800","lines":"\udfff"}'],
    [
      "a log line without end",
      () => JSON.stringify({ type: "log", job: NO_JOB, first: 0, lines: ["x".repeat(3_000)] }),
    ],
    [
      "log lines without end",
      () =>
        JSON.stringify({
          type: "log",
          job: NO_JOB,
          first: 0,
          lines: Array.from({ length: 200 }, () => "x"),
        }),
    ],
    [
      "a job of an endless name",
      () => JSON.stringify({ type: "accepted", job: "x".repeat(1_000) }),
    ],
    [
      "a tag that is a path",
      () => JSON.stringify({ type: "revision", tag: "../../images/x", revision: REVISION }),
    ],
    [
      "a revision that is none",
      () => JSON.stringify({ type: "revision", tag: "latest", revision: "main; rm -rf" }),
    ],
    [
      "a request for a key that is a path",
      () => JSON.stringify({ type: "read", id: "1", job: NO_JOB, digest: "../images/x.json" }),
    ],
    ["a failure with a prototype", () => '{"type":"hello","__proto__":null}'],
  ];
  for (const [what, message] of table)
    test(what, async (t) => {
      const origin = await rawOrigin(edge, "a");
      origin.say(hello);
      await origin.heard("welcome");
      origin.say(message());
      const code = await origin.closed();
      // A message that the runtime itself refuses ends with 1006 or 1009.
      assert.ok([CLOSE.protocol, 1006, 1009].includes(code), String(code));
      await stillWorks(t);
    });
});

describe("messages that change nothing", () => {
  const upload = {
    digest: `sha256:${"a".repeat(64)}`,
    size: 1,
    contentType: "text/plain; charset=utf-8",
  };
  const table: readonly (readonly [what: string, message: object])[] = [
    ["the end of a job that nobody has", failed],
    [
      "results for a job that nobody has",
      { type: "done", job: NO_JOB, results: [{ kind: "revision", revision: REVISION }] },
    ],
    ["a job that nobody has is accepted", { type: "accepted", job: NO_JOB }],
    ["a job that nobody has is refused", { type: "refused", job: NO_JOB, message: "\u001b[2J\nx" }],
    [
      "an upload for a job that nobody has",
      { type: "upload", id: "1", job: NO_JOB, blobs: [upload] },
    ],
    [
      "layers for a job that nobody has",
      { type: "layers", id: "2", job: NO_JOB, keys: ["a".repeat(64)], zstd: false },
    ],
    [
      "a read for a job that nobody has",
      { type: "read", id: "3", job: NO_JOB, digest: upload.digest },
    ],
    [
      "lines of a job that nobody has",
      { type: "log", job: NO_JOB, first: 9e15, lines: ["\u001b]0;x\u0007"] },
    ],
  ];
  for (const [what, message] of table)
    test(`${what}: no URL, no record, no word to anybody`, async (t) => {
      const origin = await rawOrigin(edge, "a");
      origin.say(hello);
      await origin.heard("welcome");
      origin.say(message);
      if (["upload", "layers", "read"].includes((message as { type: string }).type)) {
        const answer = JSON.stringify(await origin.heard("error"));
        assert.doesNotMatch(answer, /https?:|X-Amz|Signature/);
      }
      origin.say({ type: "bye" });
      await stillWorks(t);
      origin.cut();
    });
});

test("fifty connections of one name leave one, and the farm works", async (t) => {
  const origins = await Promise.all(Array.from({ length: 50 }, () => rawOrigin(edge, "a")));
  let replaced = 0;
  for (const origin of origins) {
    const count = (code: number): void => void (replaced += code === CLOSE.replaced ? 1 : 0);
    // The one that stays is closed by nobody.
    origin.closed().then(count, () => undefined);
    origin.say({ ...hello, slots: 1_000 });
  }
  await until("49 connections are replaced", () => (replaced === 49 ? true : undefined));
  for (const origin of origins) origin.cut();
  await stillWorks(t);
});
