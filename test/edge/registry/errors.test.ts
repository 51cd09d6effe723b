/** Errors of the rooms below the HTTP room, as clients see them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidName } from "../../../edge/contract/names.ts";
import { DamagedBlob, InvalidRecord } from "../../../edge/contract/records.ts";
import { errorResponse } from "../../../edge/registry/errors.ts";
import { BlobsLost } from "../../../edge/store/blobs.ts";
import { BucketUnavailable } from "../../../edge/store/bucket.ts";

const SECRET = "sha256:secret" as const;
const request = new Request("https://firn.example/v2/git/manifests/latest");

for (const [error, status, code, logged] of [
  [new InvalidName("a rule", { rule: "length" }), 400, "NAME_INVALID", false],
  [new InvalidRecord("secret/key contradicts", { layer: "secret" }), 500, "UNKNOWN", true],
  [new DamagedBlob("secret/key is broken", SECRET, { listing: "secret" }), 500, "UNKNOWN", true],
  [new BlobsLost([SECRET]), 503, "UNAVAILABLE", true],
  [new BucketUnavailable("GET of secret/key failed"), 503, "UNAVAILABLE", true],
  [Object.assign(new Error("secret"), { durableObjectReset: true }), 503, "UNAVAILABLE", true],
  [new TypeError("secret"), 500, "UNKNOWN", true],
] as const) {
  test(`${error.name} is ${status} ${code}${logged ? ", and is logged" : ""}`, async (t) => {
    const log = t.mock.method(console, "error", () => undefined);
    const response = errorResponse(error, request);
    assert.equal(response.status, status);
    const text = await response.text();
    const { errors } = JSON.parse(text) as {
      errors: { code: string; message: string; detail?: unknown }[];
    };
    assert.equal(errors.length, 1);
    assert.equal(errors[0]?.code, code);
    assert.equal(log.mock.callCount(), logged ? 1 : 0);
    assert.doesNotMatch(text + response.statusText, /secret/);
    assert.equal(response.statusText, errors[0]?.message);
    if (error instanceof InvalidName) assert.deepEqual(errors[0]?.detail, error.detail);
    assert.equal(response.headers.has("Retry-After"), status === 503);
  });
}
