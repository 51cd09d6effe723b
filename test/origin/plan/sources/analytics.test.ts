/** Analytics Engine's SQL API, as its documentation has it, spoken by a local server. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { analyticsDemand } from "../../../../origin/plan/sources/analytics.ts";

let answer: { status: number; body: string } = { status: 200, body: "" };
const asked: { url: string | undefined; authorization: string | undefined; sql: string }[] = [];
const server = createServer((request: IncomingMessage, response) => {
  let sql = "";
  request.on("data", (chunk: Buffer) => (sql += String(chunk)));
  request.on("end", () => {
    asked.push({ url: request.url, authorization: request.headers.authorization, sql });
    response.writeHead(answer.status, { "Content-Type": "application/json" }).end(answer.body);
  });
});
before(() => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)));
after(() => void server.close());
const access = () => ({
  api: `http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4`,
  account: "abc",
  token: "secret",
  dataset: "firn_demand",
});

test("sampled sums become counts; the pulls themselves are the package without a name", async () => {
  answer = {
    status: 200,
    body: JSON.stringify({
      meta: [],
      data: [
        { package: "", pulls: 200 },
        { package: "git", pulls: "120.4" },
        { package: "curl", pulls: 50 },
      ],
      rows: 3,
    }),
  };
  assert.deepEqual(await analyticsDemand(access(), "starter"), {
    pulls: 200,
    packages: { git: 120, curl: 50 },
  });
  const [query] = asked;
  assert.equal(query?.url, "/client/v4/accounts/abc/analytics_engine/sql");
  assert.equal(query?.authorization, "Bearer secret");
  assert.match(
    query?.sql ?? "",
    /_sample_interval \* double1.* FROM firn_demand WHERE index1 = 'starter'/,
  );
});

test("what the API refuses is said, without the token; queries hold plain names only", async () => {
  answer = { status: 403, body: '{"errors":[{"message":"Authentication error"}]}' };
  await assert.rejects(
    analyticsDemand(access(), "starter"),
    (error: Error) =>
      /403.*Authentication error/.test(error.message) && !error.message.includes("secret"),
  );
  answer = { status: 200, body: "{}" };
  await assert.rejects(analyticsDemand(access(), "starter"));
  await assert.rejects(analyticsDemand(access(), "x' OR '1'='1"), /cannot stand in a query/);
  await assert.rejects(
    analyticsDemand({ ...access(), dataset: "a; DROP" }, "starter"),
    /cannot stand in a query/,
  );
});
