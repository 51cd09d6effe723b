/** Withdrawing records while the bucket refuses to delete one of them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { tagPath } from "../../../edge/contract/keys.ts";
import { OPERATOR_PATH } from "../../../edge/contract/operator.ts";
import { type FrontedEdge, startFrontedEdge } from "../pull/front.ts";
import { basic, withAccounts } from "../registry/accounts.ts";
import { REVISION, send } from "../registry/support.ts";

let edge: FrontedEdge;
before(async () => {
  edge = await startFrontedEdge(withAccounts({ root: { operator: true } }));
});
after(() => edge?.stop());

test("the log has those that are gone; the next try deletes the rest", async () => {
  const { firn, front } = edge;
  const keys = ["a", "b", "c"].map((tag) => tagPath("starter", tag));
  const record = JSON.stringify({ revision: REVISION, resolvedAt: 0, origin: "bad" });
  for (const key of keys)
    await firn.bucket.put(key, record, { contentType: "application/json", ifAbsent: true });
  front.refuses = ({ method, key }) => (method === "DELETE" && key === keys[1] ? 403 : undefined);
  const withdraw = () =>
    send("DELETE", `${firn.url}${OPERATOR_PATH}/origins/bad/records?kind=tags`, basic("root"));
  assert.equal((await withdraw()).status, 503);
  const [first] = await firn.logged("records.withdrawn");
  assert.deepEqual(first?.["keys"], [keys[0], keys[2]]);
  front.refuses = () => undefined;
  assert.equal((await withdraw()).status, 200);
  const [, second] = await firn.logged("records.withdrawn", 2);
  assert.deepEqual(second?.["keys"], [keys[1]]);
});
