/** What an isolate does behind the answer to `/v2/`, before the first pull. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { blobPath, packagePath, planPath, tagPath } from "../../../edge/contract/keys.ts";
import { parseImageName } from "../../../edge/contract/names.ts";
import { until } from "../../harness/until.ts";
import { putKnown, putPackage, putShell, SCOPE, send } from "../registry/support.ts";
import { type FrontedEdge, startFrontedEdge } from "./front.ts";

const LATEST = `GET ${tagPath("starter", "latest")}`;
const PLAN = `GET ${planPath("starter")}`;
const SHELL = parseImageName("shell").names.map((name) => `GET ${packagePath(SCOPE, name)}`);

let edge: FrontedEdge;
// A fresh isolate for each test.
beforeEach(async () => {
  edge = await startFrontedEdge();
});
afterEach(() => edge?.stop());

const ping = async (): Promise<void> =>
  assert.equal((await send("GET", `${edge.firn.url}/v2/`)).status, 200);
const asked = (request: string) =>
  until(`${request} at the bucket`, () => edge.front.requests.includes(request));
const times = (request: string): number =>
  edge.front.requests.filter((each) => each === request).length;

test("shell is read and composed, once, and nothing is stored", async () => {
  const { bucket, url } = edge.firn;
  await putShell(bucket);
  await putKnown(bucket, ["git"]);
  // The last one that is read.
  const { listing } = await putPackage(bucket, { name: "moreutils" });
  await ping();
  await ping();
  await asked(`GET ${blobPath(listing.digest)}`);
  const prepared = [...edge.front.requests];
  assert.deepEqual(
    prepared.filter((request) => !request.startsWith("GET blobs/")).sort(),
    [LATEST, PLAN, ...SHELL].sort(),
  );

  const answer = await send("GET", `${url}/v2/shell/git/manifests/latest`);
  assert.equal(answer.status, 200, String(answer.body));
  for (const request of [LATEST, PLAN, ...SHELL, `GET ${blobPath(listing.digest)}`])
    assert.equal(times(request), 1, request);
  await ping();
  assert.equal(times(LATEST), 1);
});

test("where shell is not published, nothing is asked for it", async () => {
  const { bucket, url, log } = edge.firn;
  await putKnown(bucket, ["git"]);
  await ping();
  await Promise.all(SHELL.map(asked));
  assert.equal((await send("GET", `${url}/v2/git/manifests/latest`)).status, 200);
  const events = log.map(({ event }) => event);
  assert.ok(!events.some((event) => /^(prepare|build|job|item)/.test(String(event))), `${events}`);
});

test("while the bucket does not answer, /v2/ does; the isolate pulls once it is back", async () => {
  const { bucket, url } = edge.firn;
  await putKnown(bucket, ["git"]);
  edge.front.down = true;
  await ping();
  const [line] = await edge.firn.logged("prepare.failed");
  assert.equal(line?.["level"], "warn");
  edge.front.down = false;
  assert.equal((await send("GET", `${url}/v2/git/manifests/latest`)).status, 200);
});
