import assert from "node:assert/strict";
import { test } from "node:test";
import { requestIdOf } from "../../../edge/pull/request-id.ts";

const ray = "8f2a4c1e9b7d6a53-FRA";
const asked = (header: string, cf: { readonly colo?: string } | undefined) => ({
  headers: new Headers({ "cf-ray": header }),
  cf,
});
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

test("on Cloudflare a request is called as Cloudflare calls it", () => {
  assert.equal(requestIdOf(asked(ray, { colo: "FRA" })), ray);
});

test("elsewhere nobody chooses what the log calls his request", () => {
  for (const request of [asked(ray, undefined), asked(ray, {}), asked("x y", { colo: "FRA" })])
    assert.match(requestIdOf(request), UUID);
  assert.notEqual(requestIdOf(asked(ray, {})), requestIdOf(asked(ray, {})));
});
