/** tags/list: what tags mean for the package set, in the spec's order, page by page. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { tagNamesPath } from "../../../../edge/contract/keys.ts";
import { parsePackageSet } from "../../../../edge/contract/package-set.ts";
import { inOrder } from "../../../../edge/pull/tags/tag-order.ts";
import { until } from "../../../harness/until.ts";
import { startOrigin } from "../../registry/origin.ts";
import {
  type Answer,
  errorsOf,
  putTag,
  REVISION,
  send,
  startTestEdge,
  type TestEdge,
} from "../../registry/support.ts";

test("lexical order: whatever the case; tags that differ by case alone have a place each", () => {
  const tags = ["v10", "main", "V2", "Main", "latest", "_x", "1.0", "v2"];
  assert.deepEqual(tags.sort(inOrder), ["1.0", "_x", "latest", "Main", "main", "v10", "V2", "v2"]);
});

const get = (firn: TestEdge, path: string): Promise<Answer> => send("GET", firn.url + path);
const listOf = ({ body }: Answer): unknown => JSON.parse(String(body));

describe("a git repository", () => {
  let firn: TestEdge;
  before(async () => {
    const url = "git:https://git.example/packages.git";
    firn = await startTestEdge({ PACKAGE_SET: url, TAGS: "release-1, v*, Main" });
    const { id } = await parsePackageSet(url);
    // A commit and a day were pulled by, too; the tag `old` was before it was left out of TAGS.
    for (const tag of ["latest", "v1", "V2", "old", "ab".repeat(20), "2026-11-01"])
      await putTag(firn.bucket, tag, REVISION, Date.now(), id);
    await putTag(firn.bucket, "other", REVISION, Date.now(), `${id}0`);
  });
  after(() => firn?.stop());
  const ALL = ["latest", "Main", "release-1", "v1", "V2"];

  const table: [query: string, tags: string[], next?: string][] = [
    ["", ALL],
    ["?n=5", ALL],
    ["?n=1000000", ALL],
    ["?n=2", ["latest", "Main"], "?n=2&last=Main"],
    ["?n=2&last=Main", ["release-1", "v1"], "?n=2&last=v1"],
    ["?n=2&last=v1", ["V2"]],
    ["?last=v1", ["V2"]],
    ["?last=MAIN", ALL.slice(1)],
    ["?last=a-tag-that-is-none", ALL],
    ["?last=zzz&n=3", []],
    ["?n=0", []],
    ["?n=-1", ALL],
    ["?n=x", ALL],
  ];
  for (const [query, tags, next] of table)
    test(`tags/list${query}`, async () => {
      const path = "/v2/shell/git/tags/list";
      const answer = await get(firn, path + query);
      assert.equal(answer.status, 200);
      assert.deepEqual(listOf(answer), { name: "shell/git", tags });
      assert.equal(answer.headers["link"], next && `<${path}${next}>; rel="next"`);
      const head = await send("HEAD", firn.url + path + query);
      assert.equal(head.headers["content-length"], answer.headers["content-length"]);
      assert.equal(head.body.length, 0);
    });

  test("a tag that TAGS does not list: 404 that names those it lists, and no origin is asked", async () => {
    const answer = await get(firn, "/v2/git/manifests/nightly");
    assert.equal(answer.status, 404);
    assert.match(
      errorsOf(answer)[0]?.message ?? "",
      /"nightly" is unknown.*latest and release-1, v\*, Main.*Firn-Revision/,
    );
    // One that it lists is asked for, and there is no origin.
    assert.equal((await get(firn, "/v2/git/manifests/v3")).status, 503);
  });
});

/** The record of what origins list, once it has these. */
async function stored(firn: TestEdge, id: string, tags: readonly string[]): Promise<void> {
  await until(`the bucket has the tags ${tags.join(", ")}`, async () => {
    const object = await firn.bucket.get(tagNamesPath(id));
    if (object === null) return false;
    const record = (await new Response(object.body).json()) as { tags: string[] };
    return JSON.stringify(record.tags) === JSON.stringify(tags);
  });
}

describe("what origins list of a repository", () => {
  const url = "git:https://git.example/listed.git";

  test("is listed though nobody pulled by it, as far as TAGS allows; a later list replaces it", async () => {
    const { id, label } = await parsePackageSet(url);
    const firn = await startTestEdge({ PACKAGE_SET: url, TAGS: "v*, main" });
    const again = await startTestEdge({ PACKAGE_SET: url }, { bucket: firn.edge.s3 });
    try {
      const options = { packageSet: { id, label }, tags: {} };
      const many = Array.from({ length: 1_500 }, (_, at) => `v${String(at).padStart(4, "0")}`);
      const listed = ["main", "secret", ...many];
      const origin = await startOrigin(firn, { ...options, listed });
      await stored(firn, id, listed);
      const pages: string[] = [];
      for (let path: string | undefined = "/v2/git/tags/list"; path !== undefined;) {
        const answer = await get(firn, path);
        pages.push(...(listOf(answer) as { tags: string[] }).tags);
        path = /<(.*)>/.exec(String(answer.headers["link"] ?? ""))?.[1];
      }
      assert.deepEqual(pages, ["latest", "main", ...many]);
      origin.listTags(["main", "next"]);
      await stored(firn, id, ["main", "next"]);
      // One that has not remembered the first list.
      assert.deepEqual(listOf(await get(again, "/v2/git/tags/list")), {
        name: "git",
        tags: ["latest", "main", "next"],
      });
      await origin.stop();
    } finally {
      await again.stop();
      await firn.stop();
    }
  });
});

test("a starter set: latest alone, whatever the bucket has from before", async () => {
  const firn = await startTestEdge();
  try {
    await putTag(firn.bucket, "nixos-24.05", REVISION);
    assert.deepEqual(listOf(await get(firn, "/v2/git/tags/list")), {
      name: "git",
      tags: ["latest"],
    });
  } finally {
    await firn.stop();
  }
});
