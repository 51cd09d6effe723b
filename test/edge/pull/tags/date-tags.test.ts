/** Dates as tags: what `latest` meant by the end of a day. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { dayPath } from "../../../../edge/contract/keys.ts";
import { dayOf } from "../../../../edge/store/records.ts";
import { until } from "../../../harness/until.ts";
import { startOrigin } from "../../registry/origin.ts";
import {
  type Answer,
  errorsOf,
  putBase,
  putPackage,
  putRevision,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../../registry/support.ts";

const [A, B, C] = ["aa", "bb", "cc"].map((digits) => digits.repeat(20)) as [string, string, string];
const DAY_MS = 86_400_000;

const get = (firn: TestEdge, tag: string): Promise<Answer> =>
  send("GET", `${firn.url}/v2/git/manifests/${tag}`);
const putDay = (firn: TestEdge, day: string, revision: string): Promise<unknown> =>
  firn.bucket.put(dayPath("starter", day), JSON.stringify({ revision, seenAt: 0 }), {
    contentType: "application/json",
    ifAbsent: false,
  });

describe("a history of four days, one of them withdrawn", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startTestEdge();
    for (const revision of [A, B]) {
      const scope = { ...SCOPE, revision };
      await putBase(firn.bucket, scope);
      await putPackage(firn.bucket, { name: "git", scope });
      await putRevision(firn.bucket, revision);
    }
    await putDay(firn, "2025-12-30", A);
    await putDay(firn, "2026-01-02", B);
    // Its revision belongs to the set no more.
    await putDay(firn, "2026-01-05", C);
    await putDay(firn, "2026-02-01", A);
  });
  after(() => firn?.stop());

  const found: [date: string, revision: string][] = [
    ["2025-12-30", A],
    ["2026-01-01", A],
    ["2026-01-02", B],
    ["2026-01-04", B],
    ["2026-01-05", B],
    ["2026-01-31", B],
    ["2026-02-01", A],
    ["2026-02-28", A],
  ];
  for (const [date, revision] of found)
    test(`${date} is ${revision.slice(0, 4)}…, and says so`, async () => {
      const answer = await get(firn, date);
      assert.equal(answer.status, 200, String(answer.body));
      assert.equal(answer.headers["firn-revision"], revision);
      assert.equal(answer.headers["warning"], undefined);
      assert.ok(String(answer.body).includes(revision), "an annotation tells the revision too");
    });

  const refused: [date: string, why: RegExp][] = [
    ["2025-12-29", /the first day that this registry has recorded is 2025-12-30/],
    ["0000-01-01", /the first day/],
    ["2026-02-30", /no such day/],
    ["2026-13-01", /no such day/],
    [dayOf(Date.now() + 2 * DAY_MS), /in the future, today is \d{4}/],
    ["9999-12-31", /in the future/],
  ];
  for (const [date, why] of refused)
    test(`${date}: 404, ${why.source}`, async () => {
      const answer = await get(firn, date);
      assert.equal(answer.status, 404);
      const [error] = errorsOf(answer);
      assert.equal(error?.code, "MANIFEST_UNKNOWN");
      assert.match(error?.message ?? "", why);
      assert.match(error?.message ?? "", /Firn-Revision/, "and how to pin");
    });

  test("other forms are tags like any other", async () => {
    for (const tag of ["2026-1-2", "20260102", "2026-01-02T00"])
      assert.match(errorsOf(await get(firn, tag))[0]?.message ?? "", /unknown\. Packages come/);
  });
});

test("what latest means is kept for the day: the last of it, which today's tag warns of", async () => {
  const firn = await startTestEdge({ TAG_FRESH: "0", WARM_PACKAGES: "0" });
  try {
    assert.match(
      errorsOf(await get(firn, dayOf(Date.now())))[0]?.message ?? "",
      /has not recorded yet what latest meant/,
    );
    const tags = { latest: A };
    const origin = await startOrigin(firn, { tags });
    assert.equal((await get(firn, "latest")).status, 200);
    const first = await get(firn, dayOf(Date.now()));
    assert.equal(first.headers["firn-revision"], A, String(first.body));
    assert.match(String(first.headers["warning"]), /is not over yet.*a{40} as the tag to stay/);
    tags.latest = B;
    await until("the day follows the tag", async () => {
      await get(firn, "latest");
      const answer = await get(firn, dayOf(Date.now()));
      return answer.headers["firn-revision"] === B ? true : undefined;
    });
    await origin.stop();
  } finally {
    await firn.stop();
  }
});
