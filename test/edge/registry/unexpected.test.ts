/** Unexpected errors: an id for the client, everything else in the log, once. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { packagePath } from "../../../edge/contract/keys.ts";
import {
  errorsOf,
  makePackage,
  putBase,
  putTag,
  REVISION,
  send,
  startTestEdge,
  type TestEdge,
} from "./support.ts";

let firn: TestEdge;
before(async () => {
  const worker = fileURLToPath(new URL("../pull/worker.ts", import.meta.url));
  firn = await startTestEdge({ PACKAGE_SET: "channel:nixos-unstable" }, { worker });
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

test("an unexpected error is 500 with an id that is also in the log, and shows no details", async () => {
  await putBase(firn.bucket, scope);
  const record = await makePackage(firn.bucket, { name: "odd", scope });
  // Its layers are others than its parts.
  const layers = record.layers.map((layer) => ({ ...layer, key: "f".repeat(64) }));
  await firn.bucket.put(packagePath(scope, "odd"), JSON.stringify({ ...record, layers }), {
    contentType: "application/json",
    ifAbsent: true,
  });
  await putTag(firn.bucket, "latest", REVISION, Date.now(), "channel");
  const answer = await send("GET", `${firn.url}/v2/odd/manifests/latest`);
  assert.equal(answer.status, 500);
  const [error] = errorsOf(answer);
  assert.equal(error?.code, "UNKNOWN");
  const { id } = (error?.detail ?? {}) as { id?: string };
  assert.ok(id !== undefined && error?.message.includes(id));
  assert.doesNotMatch(String(answer.body), /ffff|layer|bucket|worker\.js|index\.js/i);
  const [failure] = await firn.logged("request.failed");
  assert.ok(JSON.stringify(failure).includes(id));
  assert.match(JSON.stringify(failure), /has not been made/);
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
  const record = await makePackage(firn.bucket, { name: "odd", scope });
  await firn.bucket.put(packagePath(scope, "odd"), JSON.stringify(record), {
    contentType: "application/json",
    ifAbsent: false,
  });
  // The record that an isolate has seen is in force for a while.
  await send("POST", `${firn.url}/test/clock?ms=${60_000}`);
  const { status, body } = await send("GET", `${firn.url}/v2/odd/manifests/latest`);
  assert.equal(status, 200, String(body));
});
