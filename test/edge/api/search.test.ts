/**
 * The search for packages: ranking, descriptions, nested sets, rules of access; and any query at
 * all.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as fc from "fast-check";
import * as v from "valibot";
import { rank, type Ranking } from "../../../edge/api/rank.ts";
import { type SearchAnswer, SearchSchema } from "../../../edge/contract/api.ts";
import { indexPath } from "../../../edge/contract/keys.ts";
import { encodeAbout, PackageAbout } from "../../../edge/contract/package-about.ts";
import { RECORD_FORMAT } from "../../../edge/contract/records.ts";
import { type OriginOptions, startOrigin } from "../registry/origin.ts";
import {
  errorsOf,
  putBlob,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";

const ABOUT = new Map([
  ["ImageMagick", { version: "7.1", description: "Manipulate images" }],
  ["git", { version: "2.51", description: "Distributed version control" }],
  ["gitea", { version: "1.24", description: "Git service" }],
  ["jq", { version: "1.8", description: "Command-line JSON processor" }],
]);
const aboutOf = (entries: Parameters<typeof encodeAbout>[0]): PackageAbout =>
  new PackageAbout(new TextDecoder().decode(encodeAbout(entries)));

const pullsOf =
  (pulled: Readonly<Record<string, number>>) =>
  (name: string): number =>
    pulled[name] ?? 0;

describe("ranking", () => {
  const NAMES = ["ImageMagick", "_7zz", "git", "git-lfs", "gitea", "jq", "lazygit", "not valid"];
  const ranking = (more: Partial<Ranking> = {}): Ranking => ({
    attributes: NAMES,
    about: aboutOf(ABOUT),
    pulls: () => 0,
    allowed: () => true,
    ...more,
  });
  const names = (query: string, more: Partial<Ranking> = {}): string[] =>
    rank(query, ranking(more)).map(({ name }) => name);

  test("the name itself, names that begin with it, names that hold it", () => {
    assert.deepEqual(names("git"), ["git", "gitea", "git-lfs", "lazygit"]);
  });
  test("of names that match alike, those that are pulled more come first", () => {
    assert.deepEqual(names("git", { pulls: pullsOf({ "git-lfs": 3 }) }), [
      "git",
      "git-lfs",
      "gitea",
      "lazygit",
    ]);
  });
  test("names as they are written in an image's name", () => {
    assert.deepEqual(names("7zz"), ["7zz"]);
    assert.deepEqual(rank("IMAGEMAG", ranking()), [
      { attribute: "ImageMagick", name: "imagemagick" },
    ]);
    assert.deepEqual(names("valid"), []);
  });
  test("words of a description, all of them", () => {
    assert.deepEqual(names("json"), ["jq"]);
    assert.deepEqual(names("command processor"), ["jq"]);
    assert.deepEqual(names("command images"), []);
  });
  test("a misspelt name", () => {
    assert.deepEqual(names("gti")[0], "git");
  });
  test("without a query, what is pulled most", () => {
    assert.deepEqual(names("", { pulls: pullsOf({ jq: 2, git: 9 }) }), ["git", "jq"]);
  });
  test("nothing that may not be had", () => {
    assert.deepEqual(names("git", { allowed: (name) => name !== "git" })[0], "gitea");
  });
});

test("a list of descriptions finds each of its packages, and no other", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,8}$/), { maxLength: 40 }),
      fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,8}$/),
      fc.string(),
      (attributes, other, description) => {
        const about = aboutOf(
          new Map(attributes.map((each, at) => [each, { version: String(at), description }])),
        );
        for (const [at, each] of attributes.entries())
          assert.equal(about.find(each)?.version, String(at));
        if (!attributes.includes(other)) assert.equal(about.find(other), undefined);
      },
    ),
  );
});

describe("in a registry", () => {
  let firn: TestEdge;
  const NAMES = ["constructor", "git", "gitea", "jq", "pkgsStatic", "python3Packages"];
  before(async () => {
    firn = await startTestEdge({ LIMIT_LOOKS: "off" });
    await putTag(firn.bucket, "latest", REVISION);
    await putIndex([], NAMES, ABOUT);
    await putIndex(["python3Packages"], ["flask", "requests"]);
  });
  after(() => firn?.stop());

  async function putIndex(
    path: readonly string[],
    names: readonly string[],
    about?: typeof ABOUT,
    revision = REVISION,
  ): Promise<void> {
    const { packageSet, system } = SCOPE;
    const record = {
      format: RECORD_FORMAT,
      packageSet,
      revision,
      system,
      path,
      names: await putBlob(firn.bucket, new TextEncoder().encode(JSON.stringify(names))),
      ...(about && { about: await putBlob(firn.bucket, encodeAbout(about)) }),
      signed: [{ origin: "test", signature: "A".repeat(86) }],
    };
    await firn.bucket.put(indexPath({ ...SCOPE, revision }, path), JSON.stringify(record), {
      contentType: "application/json",
      ifAbsent: false,
    });
  }
  const ask = async (query: string): Promise<SearchAnswer> => {
    const answer = await send("GET", `${firn.url}/api/search?${query}`);
    assert.equal(answer.status, 200, String(answer.body));
    assert.match(String(answer.headers["content-type"]), /^application\/json/);
    return v.parse(v.strictObject(SearchSchema.entries), JSON.parse(String(answer.body)));
  };

  test("names with versions and descriptions, and how many there are beyond the limit", async () => {
    const { packages, total, revision, listed } = await ask("q=git&limit=1");
    assert.deepEqual(packages, [
      {
        name: "git",
        attribute: "git",
        version: "2.51",
        description: "Distributed version control",
        pulls: 0,
      },
    ]);
    assert.deepEqual([total, revision, listed], [2, REVISION, true]);
  });

  test("a package whose name every object has", async () => {
    const [found] = (await ask("q=constructor")).packages;
    assert.deepEqual([found?.name, found?.pulls], ["constructor", 0]);
  });

  test("in a nested set", async () => {
    const { packages } = await ask("q=python3packages.req");
    assert.deepEqual(
      packages.map(({ name, attribute }) => [name, attribute]),
      [["python3packages.requests", "python3Packages.requests"]],
    );
  });

  test("what the policy denies is not found", async () => {
    assert.deepEqual((await ask("q=pkgsstatic")).packages, []);
    assert.deepEqual((await ask("q=pkgsstatic.git")).packages, []);
  });

  test("a revision without a list of names: an origin lists them, or the answer says so", async () => {
    const other = "f".repeat(40);
    await putTag(firn.bucket, "latest", other);
    const query = `tag=${other}&q=git`;
    assert.equal((await ask(query)).listed, false);
    const options: OriginOptions = { names: { "": ["git"] }, tags: { latest: other } };
    const origin = await startOrigin(firn, options);
    assert.deepEqual(
      (await ask(query)).packages.map(({ name }) => name),
      ["git"],
    );
    assert.deepEqual(
      origin.jobs.flat().filter(({ kind }) => kind === "package"),
      [],
    );
    await origin.stop();
  });

  for (const [query, message] of [
    ["limit=0", /^limit must be a whole number from 1 to 100$/],
    ["limit=1e9", /^limit must be/],
    [`q=${"x".repeat(101)}`, /^q must be at most 100 characters$/],
    ["platform=plan9/mips", /^platform must be one of linux\/amd64/],
    ["tag=-x", /^tag must be 1 to 128/],
  ] as const)
    test(`400: ${query.slice(0, 20)}`, async () => {
      const answer = await send("GET", `${firn.url}/api/search?${query}`);
      assert.equal(answer.status, 400);
      assert.match(errorsOf(answer)[0]?.message ?? "", message);
    });

  test("what one account may see is shown again to no other", async () => {
    const { headers } = await send("GET", `${firn.url}/api/search?q=git`);
    assert.match(String(headers["cache-control"]), /^public, max-age=60$/);
    assert.equal(headers["vary"], "Authorization");
  });

  test("any query has an answer that is no internal error", async () => {
    const value = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom("git", "."));
    const keys = ["q", "limit", "tag", "platform", "from", "to", "has", "closure", "x"];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("search", "images/git", "images/shell/jq", "diff", "failures", "demand"),
        fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 4 }),
        async (route, parameters) => {
          const query = new URLSearchParams(parameters);
          const { status, body } = await send("GET", `${firn.url}/api/${route}?${query}`);
          assert.ok([200, 400, 403, 404, 414].includes(status), `${status} ${String(body)}`);
          JSON.parse(String(body));
        },
      ),
      { numRuns: 150 },
    );
  });
});
