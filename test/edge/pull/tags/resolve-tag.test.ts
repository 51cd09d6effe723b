/**
 * Tag → revision: resolved once, fresh for a while, then served stale while it is resolved anew;
 * and the layer plan in force.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { packagePath } from "../../../../edge/contract/keys.ts";
import { parsePackageSet } from "../../../../edge/contract/package-set.ts";
import { until } from "../../../harness/until.ts";
import { startOrigin } from "../../registry/origin.ts";
import {
  type Answer,
  errorsOf,
  putBase,
  putPackage,
  putPlan,
  putRevision,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../../registry/support.ts";

const LATER = "ab".repeat(20);
const revisionOf = ({ headers }: Answer): unknown => headers["firn-revision"];
const get = (firn: TestEdge, path: string): Promise<Answer> => send("GET", firn.url + path);

async function seeded(firn: TestEdge): Promise<void> {
  for (const revision of [REVISION, LATER]) {
    const scope = { ...SCOPE, revision };
    await putBase(firn.bucket, scope);
    await putPackage(firn.bucket, { name: "git", scope });
  }
}

describe("TAG_FRESH=0", () => {
  let firn: TestEdge;
  before(async () => {
    // The tag moves at once: nothing is published for the new revision first.
    firn = await startTestEdge({ TAG_FRESH: "0", WARM_PACKAGES: "0" });
    await seeded(firn);
  });
  after(() => firn?.stop());

  test("a new tag waits for an origin; a stale one is served, then resolved behind it", async () => {
    const before = await get(firn, "/v2/git/manifests/latest");
    assert.equal(before.status, 503);
    assert.match(errorsOf(before)[0]?.message ?? "", /no origin.*resolving the tag "latest"/);

    const tags = { latest: REVISION };
    const origin = await startOrigin(firn, { tags });
    const first = await get(firn, "/v2/git/manifests/latest");
    assert.equal(first.status, 200, String(first.body));
    assert.equal(revisionOf(first), REVISION);
    assert.ok(String(first.body).includes(REVISION), "an annotation tells the revision too");

    // The farm gives the same answer to all who ask at about the same time.
    tags.latest = LATER;
    const last = await until("the stale tag is resolved anew", async () => {
      const answer = await get(firn, "/v2/git/manifests/latest");
      assert.equal(answer.status, 200);
      return revisionOf(answer) === REVISION ? undefined : revisionOf(answer);
    });
    assert.equal(last, LATER);
    assert.deepEqual(new Set(origin.jobs.flat().map(({ kind }) => kind)), new Set(["tag"]));
    await origin.stop();
    assert.equal(
      (await get(firn, "/v2/git/manifests/latest")).status,
      200,
      "stale without an origin",
    );
  });

  test("a tag that no origin can resolve any more is served with a warning", async () => {
    await putTag(firn.bucket, "latest", LATER, Date.UTC(2020, 0, 1));
    // The first answer starts the refresh; which of the next ones knows its result is a matter of
    // time.
    await until("a warning that names the date", async () => {
      const answer = await get(firn, "/v2/git/manifests/latest");
      assert.equal(answer.status, 200);
      const warning = String(answer.headers["warning"] ?? "");
      if (warning !== "") assert.match(warning, /no origin answers.*, to (ab){20}"$/);
      return warning.includes("2020-01-01") ? true : undefined;
    });
  });
});

describe("TAG_FRESH of a day", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startTestEdge({ TAG_FRESH: "86400" });
    await seeded(firn);
  });
  after(() => firn?.stop());

  test("a fresh tag is served without an origin", async () => {
    await putTag(firn.bucket, "latest", REVISION);
    const origin = await startOrigin(firn);
    for (let n = 0; n < 3; n++)
      assert.equal(revisionOf(await get(firn, "/v2/git/manifests/latest")), REVISION);
    await origin.stop();
    assert.deepEqual(origin.jobs, []);
  });

  test("the revision as tag is never resolved", async () => {
    await putRevision(firn.bucket, LATER);
    const origin = await startOrigin(firn);
    assert.equal(revisionOf(await get(firn, `/v2/git/manifests/${LATER}`)), LATER);
    await origin.stop();
    assert.deepEqual(origin.jobs, []);
  });
});

describe("a git repository as package set", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startTestEdge({ PACKAGE_SET: "git:https://user:secret@git.example/nixpkgs.git" });
  });
  after(() => firn?.stop());

  test("a commit is served when an origin finds it in the repository, and known from then on", async () => {
    const { id, label } = await parsePackageSet("git:https://git.example/nixpkgs.git");
    const scope = { ...SCOPE, packageSet: id, revision: LATER };
    await putBase(firn.bucket, scope);
    await putPackage(firn.bucket, { name: "git", scope });
    const own = await startOrigin(firn, { packageSet: { id, label }, tags: { [LATER]: LATER } });
    const foreign = await get(firn, `/v2/git/manifests/${REVISION}`);
    assert.equal(foreign.status, 404, String(foreign.body));
    assert.equal(revisionOf(await get(firn, `/v2/git/manifests/${LATER}`)), LATER);
    assert.deepEqual(
      own.jobs.flat().map((item) => item.kind === "tag" && item.tag),
      [REVISION, LATER],
      "only the origin can tell, and nothing is built of what it does not find",
    );
    await own.stop();
    assert.equal(revisionOf(await get(firn, `/v2/git/manifests/${LATER}`)), LATER);
  });

  test("an unknown tag: 404 that says what tags mean, and shows no credentials", async () => {
    const { id, label } = await parsePackageSet("git:https://git.example/nixpkgs.git");
    const origin = await startOrigin(firn, { packageSet: { id, label }, tags: { main: LATER } });
    const answer = await get(firn, "/v2/git/manifests/no-such-branch");
    assert.equal(answer.status, 404);
    const [error] = errorsOf(answer);
    assert.equal(error?.code, "MANIFEST_UNKNOWN");
    assert.match(error?.message ?? "", /"no-such-branch".*branches or tags/);
    assert.ok(!String(answer.body).includes("secret"));
    const branch = await get(firn, "/v2/git/manifests/main");
    assert.equal(revisionOf(branch), LATER);
    await origin.stop();
  });
});

test("jobs and records belong to the layer plan in force", async () => {
  const plan = "c".repeat(64);
  const firn = await startTestEdge();
  try {
    await putTag(firn.bucket, "latest", REVISION);
    await putPlan(firn.bucket, plan);
    const origin = await startOrigin(firn);
    assert.equal((await get(firn, "/v2/git/manifests/latest")).status, 200);
    await origin.stop();
    assert.deepEqual(
      new Set(origin.jobs.flat().flatMap((item) => (item.kind === "package" ? item.plan : []))),
      new Set([plan]),
    );
    assert.notEqual(await firn.bucket.head(packagePath({ ...SCOPE, plan }, "git")), null);
  } finally {
    await firn.stop();
  }
});

test("a git repository: the API knows a revision that the operator lists, as a pull does", async () => {
  const revision = "cd".repeat(20);
  const firn = await startTestEdge({
    PACKAGE_SET: "git:https://git.example/set",
    REVISIONS: revision,
  });
  try {
    const { body } = await get(firn, `/api/images/git?tag=${revision}`);
    assert.equal((JSON.parse(String(body)) as { revision: unknown }).revision, revision);
    const other = await get(firn, `/api/images/git?tag=${"ef".repeat(20)}`);
    assert.equal((JSON.parse(String(other.body)) as { revision: unknown }).revision, null);
  } finally {
    await firn.stop();
  }
});

describe("a channel as package set", () => {
  let firn: TestEdge;
  const LISTED = "cd".repeat(20);
  before(async () => {
    firn = await startTestEdge({ PACKAGE_SET: "channel:nixos-unstable", REVISIONS: LISTED });
  });
  after(() => firn?.stop());

  test("a commit that no channel was seen at is unknown, and no origin is asked", async () => {
    const { id, label } = await parsePackageSet("channel:nixos-unstable");
    const origin = await startOrigin(firn, { packageSet: { id, label }, tags: { latest: LATER } });
    const fork = await get(firn, `/v2/git/manifests/${REVISION}`);
    assert.equal(fork.status, 404);
    assert.match(errorsOf(fork)[0]?.message ?? "", /revision [0-9]{40} is unknown/);
    assert.deepEqual(origin.jobs, []);

    const seen = await get(firn, "/v2/git/manifests/latest");
    assert.equal(revisionOf(seen), LATER, String(seen.body));
    assert.equal(revisionOf(await get(firn, `/v2/git/manifests/${LATER}`)), LATER);
    const listed = await get(firn, `/v2/git/manifests/${LISTED}`);
    assert.equal(revisionOf(listed), LISTED, "the operator says that it belongs");
    await origin.stop();
  });
});
