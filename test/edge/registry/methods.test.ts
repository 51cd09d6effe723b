/**
 * Every address by every method: HEAD is answered as GET, without a body, and what an address does
 * not take is 405 with the methods that it takes.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ALIASES_PATH } from "../../../edge/contract/alias.ts";
import {
  DEMAND_PATH,
  DIFF_PATH,
  FAILURES_PATH,
  IMAGES_PATH,
  SEARCH_PATH,
} from "../../../edge/contract/api.ts";
import { GC_PATH, PINS_PATH } from "../../../edge/contract/housekeeping.ts";
import { CONNECT_PATH } from "../../../edge/contract/messages.ts";
import { METRICS_PATH, OPERATOR_PATH } from "../../../edge/contract/operator.ts";
import { VERIFY_PATH } from "../../../edge/contract/verify.ts";
import { warning } from "../../../edge/registry/headers.ts";
import { basic, withAccounts } from "./accounts.ts";
import { type Answer, errorsOf, putKnown, send, startTestEdge, type TestEdge } from "./support.ts";

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge({ ...withAccounts({ root: { operator: true } }), FARM_PUBLIC: "on" });
  await putKnown(firn.bucket, ["git", "curl"]);
});
after(() => firn.stop());

const ORIGIN = `${OPERATOR_PATH}/origins/test`;
const READ = "GET, HEAD";
const NONE = "0".repeat(64);

/** Each route of the Worker, and what it takes. */
const table: readonly (readonly [path: string, allow: string])[] = [
  [CONNECT_PATH, READ],
  ["/token?service=x", "GET, HEAD, POST"],
  [METRICS_PATH, READ],
  [OPERATOR_PATH, READ],
  [`${ORIGIN}/revoke`, "DELETE, POST"],
  [`${ORIGIN}/drain`, "DELETE, POST"],
  [`${ORIGIN}/rest`, "POST"],
  [`${ORIGIN}/records?kind=tags`, "DELETE, GET, HEAD"],
  [`${VERIFY_PATH}?kind=tags`, "GET, HEAD, POST"],
  [PINS_PATH, "DELETE, GET, HEAD, POST"],
  [GC_PATH, "POST"],
  [`${GC_PATH}/some-run`, "POST"],
  [ALIASES_PATH, "POST"],
  [`${ALIASES_PATH}/${"0".repeat(40)}`, READ],
  [`${SEARCH_PATH}?q=git`, READ],
  [`${IMAGES_PATH}git`, READ],
  [`${DIFF_PATH}?from=git&to=curl`, READ],
  [FAILURES_PATH, READ],
  [DEMAND_PATH, READ],
  [`/builds/${NONE}`, READ],
  ["/", READ],
  ["/v2/", READ],
  ["/v2/_catalog", READ],
  ["/v2/git/manifests/latest", READ],
  [`/v2/git/blobs/sha256:${NONE}`, READ],
  ["/v2/git/tags/list", READ],
  [`/v2/git/referrers/sha256:${NONE}`, READ],
  ["/nothing/here", READ],
];
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const ask = (method: string, path: string) => send(method, firn.url + path, basic("root"));
/**
 * What must be equal: not when it was answered, how the body was sent, and the header in which HEAD
 * has the message of an error, which is compared with GET's body.
 */
function shown({ status, headers }: Answer): object {
  const { date: _, "transfer-encoding": __, "content-length": ___, warning, ...rest } = headers;
  return { status, ...rest, ...(status < 400 && { warning }) };
}

for (const [path, allow] of table) {
  const taken = allow.split(", ");
  describe(path, () => {
    for (const method of METHODS.filter((each) => !taken.includes(each)))
      test(`${method} is 405`, async () => {
        const answer = await ask(method, path);
        assert.equal(answer.status, 405);
        assert.equal(answer.headers["allow"], allow);
        if (method !== "HEAD") assert.equal(errorsOf(answer)[0]?.code, "UNSUPPORTED");
      });
    if (taken.includes("GET"))
      test("HEAD is answered as GET, without a body", async () => {
        const [whole, head] = [await ask("GET", path), await ask("HEAD", path)];
        assert.notEqual(whole.status, 405);
        assert.deepEqual(shown(head), shown(whole));
        assert.equal(head.body.length, 0);
        // What GET says in the body, HEAD can say in this header alone. Origins get plain text.
        if (whole.status >= 400 && whole.headers["content-type"] === "application/json")
          assert.equal(head.headers["warning"], warning(errorsOf(whole)[0]?.message ?? ""));
        // It may be left out (RFC 9110, section 8.6), and is never another one.
        const length = head.headers["content-length"];
        if (length !== undefined) assert.equal(Number(length), whole.body.length);
      });
  });
}
