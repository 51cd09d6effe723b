/** When a tag's record is written, and the day's beside it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { tagPath } from "../../../edge/contract/keys.ts";
import {
  dayOf,
  dayRecord,
  readRecord,
  revisionRecord,
  tagRecord,
  writeTag,
} from "../../../edge/store/records.ts";
import { ownBucket } from "./own-bucket.ts";

const [A, B] = ["a", "b"].map((digit) => digit.repeat(40)) as [string, string];
const SECOND = 1_000;
const DAY = 86_400 * SECOND;

describe("a tag that an origin announces", () => {
  const own = ownBucket();
  let sets = 0;

  /** What is written when a tag is announced that had meant A at a time, ms since 1970. */
  async function announced(tag: string, revision: string, resolvedAt: number) {
    const packageSet = `set-${(sets += 1)}`;
    await own.bucket.put(tagPath(packageSet, tag), JSON.stringify({ revision: A, resolvedAt }), {
      contentType: "application/json",
      ifAbsent: true,
    });
    const before = Date.now();
    await writeTag(own.bucket, { packageSet, tag, revision, origin: "rack-1" });
    assert.notEqual(await readRecord(own.bucket, revisionRecord(packageSet, revision)), null);
    const days = await Promise.all(
      // The day may have ended meanwhile.
      [...new Set([before, Date.now()].map(dayOf))].map((day) =>
        readRecord(own.bucket, dayRecord(packageSet, day)),
      ),
    );
    return {
      tag: await readRecord(own.bucket, tagRecord(packageSet, tag)),
      day: days.find((record) => record !== null)?.revision,
    };
  }

  test("the same revision a moment later: nothing is written", async () => {
    const lately = Date.now() + 60 * SECOND;
    const { tag } = await announced("latest", A, lately);
    assert.deepEqual([tag?.revision, tag?.resolvedAt], [A, lately]);
  });
  test("the same revision ten seconds later: the tag is fresh again", async () => {
    const before = Date.now() - 10 * SECOND;
    const { tag } = await announced("latest", A, before);
    assert.equal(tag?.revision, A);
    assert.ok(tag.resolvedAt > before, `${tag.resolvedAt} is not after ${before}`);
  });
  test("another revision is written at once, and is that of the day", async () => {
    const { tag, day } = await announced("latest", B, Date.now() + 60 * SECOND);
    assert.deepEqual([tag?.revision, day], [B, B]);
  });
  test("the same revision on another day is that day's too", async () => {
    assert.equal((await announced("latest", A, Date.now() - DAY)).day, A);
  });
  test("no tag but latest has days", async () => {
    assert.equal((await announced("nixos-25.11", B, Date.now() - DAY)).day, undefined);
  });
});
