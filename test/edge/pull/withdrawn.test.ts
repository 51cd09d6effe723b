/** A pull that is held for a build composes nothing of what was withdrawn meanwhile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { packagePath } from "../../../edge/contract/keys.ts";
import { KEPT_MS } from "../../../edge/store/fresh.ts";
import { startOrigin } from "../registry/origin.ts";
import { putBase, putPackage, putTag, REVISION, SCOPE, send } from "../registry/support.ts";
import { startFrontedEdge } from "./front.ts";

test("a record that is withdrawn while another package is built is made again", async () => {
  const edge = await startFrontedEdge({ BUILD_WAIT: "600" });
  try {
    const { firn } = edge;
    await putBase(firn.bucket);
    await putTag(firn.bucket, "latest", REVISION);
    await putPackage(firn.bucket, { name: "old" });
    let isWithdrawn = false;
    const origin = await startOrigin(firn, {
      names: { "": ["cacert", "iana-etc", "new", "old"] },
      gate: async () => {
        if (isWithdrawn || !origin.jobs.flat().some((item) => item.kind === "package")) return;
        isWithdrawn = true;
        await firn.bucket.delete(packagePath(SCOPE, "old"));
        await edge.advance(KEPT_MS);
      },
    });
    try {
      const answer = await send("GET", `${firn.url}/v2/new/old/manifests/latest`);
      assert.equal(answer.status, 200, String(answer.body));
      const built = origin.jobs
        .flat()
        .flatMap((item) => (item.kind === "package" ? item.name : []));
      assert.deepEqual(built, ["new", "old"]);
    } finally {
      await origin.stop();
    }
  } finally {
    await edge.stop();
  }
});
