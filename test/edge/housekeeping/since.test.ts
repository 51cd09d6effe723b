/**
 * A registry whose images are older than the record of their pulls: they count as pulled when that
 * record began.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { imagesPrefix } from "../../../edge/contract/keys.ts";
import { DAY, GRACE, type KeptEdge, keysOf, startKeptEdge } from "./support.ts";

let firn: KeptEdge;
before(async () => {
  firn = await startKeptEdge();
});
after(() => firn?.stop());

const IMAGE = `${imagesPrefix("0".repeat(64))}${"1".repeat(64)}.amd64.0123456789abcdef.json`;

test("an old image that nobody has been seen to pull stays for the period from the first run on", async () => {
  const { bucket } = firn.firn;
  await bucket.put(IMAGE, "{}", { contentType: "application/json", ifAbsent: true });
  // Nothing has been recorded so far: the first run is the first that Housekeeping hears of.
  await firn.pass(200 * DAY);
  const images = async () => (await firn.collect()).kinds.images;
  const counted = async () => {
    const { kept, unused, deleted } = (await images()) ?? {};
    return [kept?.objects, unused?.objects, deleted?.objects];
  };
  assert.deepEqual(await counted(), [1, 0, 0], "kept");
  await firn.pass(89 * DAY);
  assert.deepEqual(await counted(), [1, 0, 0], "kept, though it is 289 days old");
  await firn.pass(2 * DAY);
  assert.deepEqual(await counted(), [0, 1, 0], "condemned");
  await firn.pass(GRACE + 1);
  assert.deepEqual(await counted(), [0, 0, 1], "deleted");
  assert.deepEqual(await keysOf(bucket, "images/"), []);
});
