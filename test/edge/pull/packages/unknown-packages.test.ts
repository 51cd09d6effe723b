/** Packages that do not exist: told from the names of the package set, not by an origin. */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { type OriginOptions, startOrigin, type TestOrigin } from "../../registry/origin.ts";
import {
  type Answer,
  errorsOf,
  putBase,
  putPackage,
  putTag,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../../registry/support.ts";

const NAMES = {
  "": ["ImageMagick", "_7zz", "curl", "curlie", "fetchurl", "git", "python3Packages", "unfree"],
  python3Packages: ["Flask", "requests"],
  git: ["man", "outPath"],
  fetchurl: [],
};

/** Unknown packages that a client may ask for. */
const UNKNOWN = 24;

let firn: TestEdge;
let origin: TestOrigin | undefined;
/** Each test has a revision of its own, of which nobody knows the names. */
let revisions = 0;
let scope = SCOPE;
before(async () => {
  firn = await startTestEdge({
    LIMIT_INDEXES: "3/3600",
    // The first of a client's unknown names is looked for in the bucket, as a new image is.
    LIMIT_IMAGES: "20/3600",
    LIMIT_UNKNOWN: `${UNKNOWN}/60`,
    CLIENT_ADDRESS_HEADER: "X-Client",
  });
});
after(() => firn?.stop());
beforeEach(async () => {
  const revision = String(++revisions).padStart(40, "0");
  scope = { ...SCOPE, revision };
  await putTag(firn.bucket, revision, revision);
  await putBase(firn.bucket, scope);
});
afterEach(async () => {
  await origin?.stop();
  origin = undefined;
});

const start = async (options: OriginOptions = { names: NAMES }): Promise<TestOrigin> =>
  (origin = await startOrigin(firn, options));
/** As a client that no other test is. */
const get = (name: string, headers = {}): Promise<Answer> =>
  send("GET", `${firn.url}/v2/${name}/manifests/${scope.revision}`, {
    "X-Client": `test ${revisions}`,
    ...headers,
  });
/** What the origin was asked for: `index`, `index python3Packages`, `git`. */
const asked = (): string[] =>
  (origin?.jobs ?? [])
    .flat()
    .map((item) => {
      if (item.kind === "index") return ["index", ...item.path].join(" ");
      return item.kind === "package" ? item.name : item.tag;
    })
    .sort();
const isUnknown = (answer: Answer, says: RegExp): void => {
  assert.equal(answer.status, 404, String(answer.body));
  assert.equal(errorsOf(answer)[0]?.code, "MANIFEST_UNKNOWN");
  assert.match(errorsOf(answer)[0]?.message ?? "", says);
};

describe("unknown packages", () => {
  test("nonsense, at once and one by one: 404, and an origin makes one list of names", async () => {
    await start();
    const names = Array.from({ length: 12 }, (_, n) => `nonsense${n}`);
    for (const answer of await Promise.all(names.map((name) => get(name))))
      isUnknown(answer, /there is no package nonsense/);
    for (const name of names)
      isUnknown(await get(`shell/more-${name}`), /there is no package more/);
    assert.deepEqual(asked(), ["index"]);
  });

  test("every unknown package is told with its nearest names; nothing is built for the others", async () => {
    await start();
    const answer = await get("gti/curll/git/zzzzzz");
    isUnknown(
      answer,
      new RegExp(
        "there is no package curll \\(nearest: curl\\); there is no package gti " +
          "\\(nearest: git\\).*there is no package zzzzzz$",
      ),
    );
    const { failures } = errorsOf(answer)[0]!.detail as { failures: { package: string }[] };
    assert.deepEqual(
      failures.map((each) => each.package),
      ["curll", "gti", "zzzzzz"],
    );
    assert.deepEqual(asked(), ["index"]);
  });

  test("names that the rules find are built: other case, a leading digit, nested ones, outputs", async () => {
    await start();
    for (const name of ["imagemagick", "7zz", "python3packages.flask", "git.man", "curl"])
      assert.equal((await get(name)).status, 200, name);
    assert.deepEqual(asked(), [
      "7zz",
      "curl",
      "git.man",
      "imagemagick",
      "index",
      "index git",
      "index python3Packages",
      "python3packages.flask",
    ]);
  });

  test("a nested set is listed when its parent exists, and once; what is no set has no names", async () => {
    await start();
    isUnknown(await get("python3package.flask"), /no package python3package \(nearest: python3p/);
    assert.deepEqual(asked(), ["index"]);
    for (const name of ["flaks", "falsk"])
      isUnknown(
        await get(`python3packages.${name}`),
        new RegExp(`no ${name} in python3Packages \\(nearest: python3packages\\.flask\\)`),
      );
    isUnknown(await get("fetchurl.anything"), /there is no anything in fetchurl/);
    assert.deepEqual(asked(), ["index", "index fetchurl", "index python3Packages"]);
  });

  test("a set that cannot be listed makes nothing unknown: its packages are asked for", async () => {
    await start();
    // The origin gives no index of it.
    assert.equal((await get("unfree.dev")).status, 200);
    assert.deepEqual(asked(), ["index", "index unfree", "unfree.dev"]);
  });

  test("below a set that does not evaluate nothing is asked for: its reason is the answer", async () => {
    await start({
      names: { ...NAMES, "": ["broken", "git"] },
      refused: { broken: "removed in 2024, use git" },
    });
    for (const name of ["one", "two", "three"]) {
      const answer = await get(`git/broken.${name}`);
      assert.equal(answer.status, 500, String(answer.body));
      assert.match(
        errorsOf(answer)[0]?.message ?? "",
        new RegExp(`broken\\.${name} refuses to evaluate: broken: removed in 2024, use git`),
      );
    }
    assert.deepEqual(asked(), ["index", "index broken"]);
  });

  test("packages that the image's name does not mention are asked for, whatever the lists say", async () => {
    await start();
    assert.equal((await get("shell/git")).status, 200);
    assert.ok(asked().includes("coreutils"));
  });

  test("without any list a package is asked for as ever", async () => {
    await start({});
    assert.equal((await get("whatever")).status, 200);
    assert.deepEqual(asked(), ["index", "whatever"]);
  });

  test("without an origin: 503 as ever, until the names are known; then 404", async () => {
    const none = await get("nonsense");
    assert.equal(none.status, 503, String(none.body));
    assert.match(errorsOf(none)[0]?.message ?? "", /no origin .*building nonsense needs one/);
    await start();
    isUnknown(await get("nonsense"), /no package nonsense/);
    await origin?.stop();
    isUnknown(await get("other-nonsense"), /no package other-nonsense/);
  });

  test("a package that is known needs no list", async () => {
    await start();
    await putPackage(firn.bucket, { name: "known", scope });
    assert.equal((await get("known")).status, 200);
    assert.deepEqual(asked(), []);
  });

  test("a client may have so many lists made; those that are there cost nothing", async () => {
    await start({
      names: { ...NAMES, "": ["a", "b", "git"], a: [], b: [] },
    });
    const client = { "X-Client": "192.0.2.1" };
    for (const name of ["a.x", "b.x", "a.y", "b.y", "zzz"])
      assert.equal((await get(name, client)).status, 404, name);
    assert.equal((await get("git.x", client)).status, 429);
    assert.equal((await get("git.x", { "X-Client": "192.0.2.2" })).status, 404);
  });

  test("names that do not exist are no new images, and have a limit of their own", async () => {
    await start();
    const client = { "X-Client": "192.0.2.3" };
    const statuses: number[] = [];
    for (let n = 0; n < UNKNOWN + 1; n += 1) statuses.push((await get(`none${n}`, client)).status);
    assert.deepEqual(statuses, [...Array.from({ length: UNKNOWN }, () => 404), 429]);
    const refused = await get("none", client);
    assert.match(errorsOf(refused)[0]?.message ?? "", /may have 24 unknown packages in 60 seconds/);
    await putPackage(firn.bucket, { name: "git", scope });
    assert.equal((await get("git", client)).status, 200);
  });
});
