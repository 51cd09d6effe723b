/** Unexpected errors: an id for the client, everything else in the log, once. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { packagePath } from "../../../edge/contract/keys.ts";
import { encodeListing } from "../../../edge/contract/listing.ts";
import {
  digestOf,
  errorsOf,
  makePackage,
  putBase,
  putBlob,
  putTag,
  REVISION,
  send,
  startTestEdge,
  type TestEdge,
} from "./support.ts";

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge({ PACKAGE_SET: "channel:nixos-unstable" });
});
after(() => firn?.stop());

const failures = (): Record<string, unknown>[] =>
  firn.log.filter(({ event }) => event === "request.failed");

const scope = {
  packageSet: "channel",
  revision: REVISION,
  system: "x86_64-linux",
  plan: "none",
} as const;
const LISTING = encodeListing([{ name: "bin", entries: [{ name: "other" }] }]);

test("an unexpected error is 500 with an id that is also in the log, and shows no details", async () => {
  await putBase(firn.bucket, scope);
  const record = await makePackage(firn.bucket, { name: "lost", scope });
  const listing = { digest: digestOf(LISTING), size: LISTING.length };
  await firn.bucket.put(packagePath(scope, "lost"), JSON.stringify({ ...record, listing }), {
    contentType: "application/json",
    ifAbsent: true,
  });
  await putTag(firn.bucket, "latest", REVISION, Date.now(), "channel");
  const answer = await send("GET", `${firn.url}/v2/lost/manifests/latest`);
  assert.equal(answer.status, 500);
  const [error] = errorsOf(answer);
  assert.equal(error?.code, "UNKNOWN");
  const { id } = (error?.detail ?? {}) as { id?: string };
  assert.ok(id !== undefined && error?.message.includes(id));
  assert.doesNotMatch(String(answer.body), /listing|bucket|worker\.js|index\.js/i);
  const [failure] = await firn.logged("request.failed");
  assert.ok(JSON.stringify(failure).includes(id));
  assert.match(JSON.stringify(failure), /the listing sha256:/);
  assert.equal(failures().length, 1);
});

test("errors of the client are not logged", async () => {
  const before = failures().length;
  await send("GET", `${firn.url}/v2/Git/manifests/latest`);
  await send("PUT", `${firn.url}/v2/git/manifests/latest`);
  await send("GET", `${firn.url}/v2/git/manifests/${"f".repeat(40)}`);
  assert.equal(failures().length, before);
});

test("an unexpected error is not remembered: once its cause is gone, the pull works", async () => {
  await putBlob(firn.bucket, LISTING);
  assert.equal((await send("GET", `${firn.url}/v2/lost/manifests/latest`)).status, 200);
});
