/**
 * An origin is compromised: `firn revoke` against the real Worker, with two real origins over the
 * real channel.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { packagePath, tagPath } from "../../../edge/contract/keys.ts";
import { OCI_MANIFEST } from "../../../edge/contract/media-types.ts";
import { readOriginKey } from "../../../origin/channel/key.ts";
import { openSession } from "../../../origin/channel/session.ts";
import { OperatorClient } from "../../../origin/operator/client.ts";
import { isLeft, type Revocation, revoke, shown } from "../../../origin/operator/revoke.ts";
import { EXIT } from "../../../origin/commands/exit-codes.ts";
import { WITHDRAWN_MS } from "../../../edge/store/fresh.ts";
import { PASSWORD, withAccounts } from "../registry/accounts.ts";
import { startOrigin, type TestOrigin } from "../registry/origin.ts";
import {
  ORIGIN,
  OTHER_ORIGIN,
  putBase,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";

const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;

let firn: TestEdge;
let bad: TestOrigin;
before(async () => {
  const worker = fileURLToPath(new URL("../pull/worker.ts", import.meta.url));
  firn = await startTestEdge({ ...withAccounts({ root: { operator: true }, ci: {} }) }, { worker });
  await putBase(firn.bucket);
  bad = await startOrigin(firn, { as: OTHER_ORIGIN });
});
after(() => firn.stop());

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly errors: string;
}

/** Runs `firn` as an operator does. */
async function run(args: readonly string[], user = "root", password = PASSWORD): Promise<Ran> {
  const child = spawn(process.execPath, ["origin/main.ts", "revoke", ...args], {
    env: { ...process.env, FIRN_EDGE: firn.url, FIRN_USER: user, FIRN_PASSWORD: password },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [out, errors, status] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { status, out, errors };
}

const pull = (name: string, reference = "latest") =>
  send("GET", `${firn.url}/v2/${name}/manifests/${reference}`, { Accept: OCI_MANIFEST });
const revocation = ({ out }: Ran): Revocation => JSON.parse(out) as Revocation;
const kinds = ({ records }: Revocation): string[] =>
  [...new Set(records.map(({ kind }) => kind))].sort();

test("only an operator may: not nobody, not another account, not with a wrong password", async () => {
  for (const [user, password, status] of [
    ["root", "wrong horse battery", 401],
    ["nobody", PASSWORD, 401],
    ["ci", PASSWORD, 403],
  ] as const) {
    const ran = await run([OTHER_ORIGIN.name], user, password);
    assert.equal(ran.status, EXIT.denied, ran.errors);
    assert.match(ran.errors, new RegExp(`answered ${status}`));
  }
  const anonymous = await send("POST", `${firn.url}/api/farm/origins/other/revoke`);
  assert.equal(anonymous.status, 401);
  assert.match(anonymous.headers["www-authenticate"] ?? "", /^Basic /);
  assert.equal((await send("GET", `${firn.url}/api/farm/origins/other/records`)).status, 401);
});

test("what an origin made is shown, withdrawn, and made again by another one", async () => {
  const first = await pull("git/curl");
  assert.equal(first.status, 200, String(first.body));
  const digest = String(first.headers["docker-content-digest"]);
  await firn.logged("origin.connected");

  const listed = await run([OTHER_ORIGIN.name, "--json"]);
  assert.equal(listed.status, 3, listed.errors);
  const found = revocation(listed);
  assert.equal(found.connected, true);
  assert.deepEqual(kinds(found), ["images", "layers", "packages", "revisions", "tags"]);
  assert.ok(found.records.some(({ kind, what }) => kind === "images" && what.includes("curl")));
  assert.ok(found.records.every(({ origins }) => origins.includes(OTHER_ORIGIN.name)));
  assert.equal((await pull("git/curl")).status, 200, "nothing was withdrawn");

  const future = await run([OTHER_ORIGIN.name, "--json", "--since", "2999-01-01"]);
  assert.equal(future.status, 0, future.errors);
  assert.deepEqual(revocation(future).records, []);

  const waits: number[] = [];
  const client = new OperatorClient({ edge: new URL(firn.url), user: "root", password: PASSWORD });
  const removed = await revoke(client, {
    origin: OTHER_ORIGIN.name,
    since: 0,
    withdraw: true,
    tell: () => {},
    // Instead of waiting, the Worker's clock is moved, and the one by which origins sign tokens.
    wait: async (ms) => {
      waits.push(ms);
      ahead += ms;
      await send("POST", `${firn.url}/test/clock?ms=${ms}`);
    },
  });
  assert.deepEqual(waits, [WITHDRAWN_MS + 5_000]);
  assert.equal(isLeft(removed), false);
  assert.match(shown(removed), /^packages +2 +0$/m);
  assert.match(shown(removed), /records are withdrawn/);
  const nothing = await run([OTHER_ORIGIN.name, "--delete"]);
  assert.equal(nothing.status, 0, nothing.errors);
  assert.match(nothing.out, /Nothing else rests on it/);
  for (const path of [packagePath(SCOPE, "git"), tagPath("starter", "latest")])
    assert.equal(await firn.bucket.head(path), null, path);
  assert.equal((await firn.bucket.list("layers/", { limit: 100 })).objects.length, 0);
  assert.equal((await firn.bucket.list("images/", { limit: 100 })).objects.length, 0);
  const gone = await pull("git/curl", digest);
  assert.equal(gone.status, 404, "its manifest is served no more");

  const good = await startOrigin(firn, { as: ORIGIN });
  const again = await pull("git/curl");
  assert.equal(again.status, 200, String(again.body));
  assert.equal(again.headers["docker-content-digest"], digest, "whoever made it");
  assert.ok(good.jobs.length > 0);
  const record = await firn.bucket.get(packagePath(SCOPE, "git"));
  const { origins } = (await new Response(record?.body).json()) as { origins: string[] };
  assert.deepEqual(origins, [ORIGIN.name]);
  await good.stop();
  assert.equal((await pull("never-made")).status, 503, "the revoked one gets no work");
});

test("a revoked origin is refused until the revocation is lifted", async () => {
  const session = await openSession({
    edge: new URL(firn.url),
    name: OTHER_ORIGIN.name,
    key: readOriginKey(OTHER_ORIGIN.privateKey),
    pingMs: 30_000,
    clockOffset: 0,
    hello: () => assert.fail("it is let in"),
    onReached: () => undefined,
    onMessage: () => {},
  });
  assert.match((await session.ended).why, /^the edge answered 401/);
  await firn.logged("origin.refused");
  const lifted = await run([OTHER_ORIGIN.name, "--lift"]);
  assert.equal(lifted.status, 0, lifted.errors);
  assert.match(lifted.out, /may connect again/);
  assert.match((await run([OTHER_ORIGIN.name, "--lift"])).out, /was not revoked/);
  await bad.stop();
  const back = await startOrigin(firn, { as: OTHER_ORIGIN });
  assert.equal((await pull("made-at-last")).status, 200);
  await back.stop();
});

test("every step of an operator's is in the log", async () => {
  for (const event of [
    "operator.refused",
    "operator.request",
    "operator.revoked",
    "records.withdrawn",
  ])
    await firn.logged(event);
  const [revoked] = await firn.logged("operator.revoked");
  assert.deepEqual(
    { account: revoked?.["account"], origin: revoked?.["origin"] },
    { account: "root", origin: OTHER_ORIGIN.name },
  );
  assert.ok(firn.log.every((line) => !JSON.stringify(line).includes(PASSWORD)));
});
