/** Presigned URLs over time, with a clock of the test's own. */
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { PRESIGN_SECONDS, redirectTo } from "../../../edge/registry/redirect.ts";

const s3 = {
  endpoint: "https://s3.example",
  bucket: "b",
  region: "auto",
  accessKeyId: "id",
  secretAccessKey: "secret",
};
const DIGEST = `sha256:${"0".repeat(64)}` as const;
const START = Date.UTC(2026, 0, 1);
const STEP_SECONDS = 7;

/** When a presigned URL was signed, and how long it is valid, milliseconds. */
function lifeOf(location: string): { signedAt: number; valid: number } {
  const query = new URL(location).searchParams;
  const date = query.get("X-Amz-Date") ?? "";
  const iso = date.replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5");
  return { signedAt: Date.parse(iso), valid: Number(query.get("X-Amz-Expires")) * 1_000 };
}

test("a presigned URL is given again while half of its life is left, and no longer", async () => {
  mock.timers.enable({ apis: ["Date"], now: START });
  try {
    const locations = new Set<string>();
    let redirects = 0;
    for (let seconds = 0; seconds <= 4 * PRESIGN_SECONDS; seconds += STEP_SECONDS) {
      mock.timers.setTime(START + seconds * 1_000);
      const answer = await redirectTo({ kind: "presign", s3 }, DIGEST);
      const location = answer?.headers.get("Location") ?? "";
      const { signedAt, valid } = lifeOf(location);
      assert.equal(valid, PRESIGN_SECONDS * 1_000);
      // It holds for a while and for whoever has it, so no cache may give it to anybody else.
      assert.equal(answer?.headers.get("Cache-Control"), "no-store");
      const left = signedAt + valid - Date.now();
      assert.ok(left >= valid / 2, `${left / 1_000} s are left after ${seconds} s`);
      locations.add(location);
      redirects++;
    }
    assert.ok(locations.size < redirects / 5, `${locations.size} URLs for ${redirects} redirects`);
  } finally {
    mock.timers.reset();
  }
});
