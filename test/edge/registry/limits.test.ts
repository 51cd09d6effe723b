/** Limits of a client, against the real Worker: who meets one gets 429, and nobody else does. */
import assert from "node:assert/strict";
import { request } from "node:http";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { soon } from "../../harness/soon.ts";
import { until } from "../../harness/until.ts";
import { startFrontedEdge } from "../pull/front.ts";
import { basic, PASSWORD, withAccounts } from "./accounts.ts";
import { startOrigin } from "./origin.ts";
import { type Answer, errorsOf, putKnown, send, startTestEdge, type TestEdge } from "./support.ts";

const isLimited = (answer: Answer, says: RegExp): void => {
  assert.equal(answer.status, 429, String(answer.body));
  assert.equal(errorsOf(answer)[0]?.code, "TOOMANYREQUESTS");
  assert.match(errorsOf(answer)[0]?.message ?? "", says);
  assert.ok(Number(answer.headers["retry-after"]) > 0);
};
const image = (name: string): string => `/v2/${name}/manifests/latest`;

/** An origin whose jobs wait for a gate; `begun` resolves with the first. */
async function startGated(firn: TestEdge) {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const origin = await startOrigin(firn, {
    gate: () => {
      begun.resolve();
      return gate.promise;
    },
  });
  return { origin, begun, gate };
}

describe("limits of a client", () => {
  let firn: TestEdge;
  let clients = 0;
  before(async () => {
    firn = await startTestEdge({
      CLIENT_ADDRESS_HEADER: "X-Client",
      ...withAccounts({ ci: {} }),
      LIMIT_REQUESTS: "20/3600",
      LIMIT_IMAGES: "3/3600",
      LIMIT_PACKAGES: "4/3600",
      LIMIT_WAITS: "1",
      LIMIT_LOGINS: "2/3600",
    });
    await putKnown(firn.bucket, ["a", "b", "c"]);
  });
  after(() => firn?.stop());

  /** Requests of one client that nobody else in this file is. */
  const newClient = () => {
    const address = `192.0.2.${++clients}`;
    return (path: string, headers = {}): Promise<Answer> =>
      send("GET", firn.url + path, { "X-Client": `10.0.0.1, ${address}`, ...headers });
  };

  test("requests", async () => {
    const get = newClient();
    for (let n = 0; n < 20; n++) assert.equal((await get("/v2/a/tags/list")).status, 200);
    isLimited(await get("/v2/a/tags/list"), /20 requests in 3600 seconds/);
    assert.equal(
      (await newClient()("/v2/a/tags/list")).status,
      200,
      "another client's are its own",
    );
    assert.equal((await get("/v2/a/tags/list", { "X-Client": "x" })).status, 200);
  });

  test("an address that the client made up in front of the proxy's does not help", async () => {
    const get = newClient();
    const address = `192.0.2.${clients}`;
    for (let n = 0; n < 20; n++)
      await get("/v2/a/tags/list", { "X-Client": `198.51.100.${n}, ${address}` });
    isLimited(
      await get("/v2/a/tags/list", { "X-Client": `198.51.100.99, ${address}` }),
      /requests/,
    );
  });

  test("new images; those that are known stay", async () => {
    const get = newClient();
    for (const name of ["a", "b", "a/b"]) assert.equal((await get(image(name))).status, 200);
    isLimited(await get(image("a/b/c")), /3 new images/);
    assert.equal((await get(image("b/a"))).status, 200);
    assert.equal((await newClient()(image("a/b/c"))).status, 200);
  });

  test("new packages: nonsense does not reach the farm for ever", async () => {
    const get = newClient();
    assert.equal((await get(image("n1/n2/n3"))).status, 503, "no origin is connected");
    isLimited(await get(image("n4/n5")), /4 new packages/);
  });

  test("waits: so many are held at once, and a place is given back", async () => {
    const { origin, begun, gate } = await startGated(firn);
    try {
      const get = newClient();
      const held = get(image("slow"));
      // An answer instead of a held request ends the wait: the test then fails below.
      await Promise.race([begun.promise, held]);
      isLimited(await get(image("slow")), /1 waiting requests/);
      assert.equal((await newClient()(image("a"))).status, 200);
      gate.resolve();
      assert.equal((await held).status, 200);
      assert.equal((await get(image("slow"))).status, 200);
    } finally {
      gate.resolve();
      await origin.stop();
    }
  });

  test("logins: a password is not guessed at speed", async () => {
    const get = newClient();
    const guess = (password: string) => get("/token", basic("ci", password));
    assert.equal((await guess("wrong horse battery")).status, 401);
    assert.equal((await guess("wrong horse again")).status, 401);
    isLimited(await guess(PASSWORD), /2 logins/);
  });
});

test("waits: a client that hung up gets its place back", async () => {
  const firn = await startTestEdge({ CLIENT_ADDRESS_HEADER: "X-Client", LIMIT_WAITS: "1" });
  await putKnown(firn.bucket, []);
  const { origin, begun, gate } = await startGated(firn);
  try {
    const client = { "X-Client": "192.0.2.1" };
    const left = request(firn.url + image("slow"), { headers: client, agent: false });
    left.on("error", () => undefined);
    left.end();
    await soon("a job begins", begun.promise);
    isLimited(await send("GET", firn.url + image("slow"), client), /1 waiting requests/);
    // workerd hears of a reset, and not of a connection that was only closed.
    (left.socket as Socket).resetAndDestroy();
    gate.resolve();
    await until("the place of the client that hung up is free", async () => {
      const { status } = await send("GET", firn.url + image("other"), client);
      return status === 200;
    });
  } finally {
    gate.resolve();
    await origin.stop();
    await firn.stop();
  }
});

test("logins: a right password is known for an hour, and then counted again", async () => {
  const { firn, advance, stop } = await startFrontedEdge({
    ...withAccounts({ ci: {} }),
    CLIENT_ADDRESS_HEADER: "X-Client",
    LIMIT_LOGINS: "1/99999",
  });
  try {
    const login = () => send("GET", `${firn.url}/token`, basic("ci"));
    assert.equal((await login()).status, 200);
    await advance(59 * 60_000);
    assert.equal((await login()).status, 200);
    await advance(2 * 60_000);
    isLimited(await login(), /1 logins/);
  } finally {
    await stop();
  }
});

test("new images of all clients together; those that are known stay", async () => {
  const firn = await startTestEdge({
    CLIENT_ADDRESS_HEADER: "X-Client",
    LIMIT_TOTAL_IMAGES: "3/3600",
  });
  try {
    const names = ["a", "b", "c", "d"];
    await putKnown(firn.bucket, names);
    let clients = 0;
    const get = (name: string) =>
      send("GET", firn.url + image(name), { "X-Client": `192.0.2.${++clients}` });
    for (const name of names.slice(0, 3)) assert.equal((await get(name)).status, 200);
    // Counted behind the answers: a few more may pass until the isolate hears of it.
    const others = names.flatMap((name) => names.map((other) => `${name}/${other}/d`));
    const limited = await until("a new image is refused", async () => {
      const answer = await get(others.pop() ?? "d");
      return answer.status === 200 ? undefined : answer;
    });
    isLimited(
      limited,
      /this registry may have 3 new images of all clients together in 3600 seconds/,
    );
    assert.equal((await get("b")).status, 200);
  } finally {
    await firn.stop();
  }
});
