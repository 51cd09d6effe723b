/** What a pull tells the person of the image itself, each time. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { packagePath } from "../../../edge/contract/keys.ts";
import type { SystemImage } from "../../../edge/contract/records.ts";
import { lastingWarnings } from "../../../edge/registry/lasting-warnings.ts";
import {
  makePackage,
  putBase,
  putPackage,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "./support.ts";

const imageAt = (...levels: number[]): SystemImage => ({
  levels: Object.fromEntries(levels.map((level, n) => [`p${n}`, level])),
  config: "{}",
  layers: [],
  annotations: {},
});

describe("coarse layers", () => {
  const table: [what: string, levels: number[], warns: boolean][] = [
    ["all at the finest level", [0, 0], false],
    ["one package that has no finer level of its own", [0, 2], false],
    ["all at a coarser level", [1, 2], true],
  ];
  for (const [what, levels, warns] of table)
    test(`${what}: ${warns ? "a warning" : "none"}`, () => {
      const images = { "x86_64-linux": imageAt(...levels) };
      const texts = lastingWarnings({ images }, ["x86_64-linux", "aarch64-linux"]);
      assert.equal(texts.length, warns ? 1 : 0);
      assert.deepEqual(lastingWarnings({ images }, ["aarch64-linux"]), []);
    });
});

describe("what the package set says", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startTestEdge();
    await putBase(firn.bucket);
    await putPackage(firn.bucket, { name: "git" });
    const record = await makePackage(firn.bucket, { name: "oldgit" });
    const warning = "'oldgit' has been renamed to \"git\"";
    await firn.bucket.put(packagePath(SCOPE, "oldgit"), JSON.stringify({ ...record, warning }), {
      contentType: "application/json",
      ifAbsent: true,
    });
    await putTag(firn.bucket, "latest", REVISION);
  });
  after(() => firn?.stop());

  test("of a name is told with every pull that has it, composed or known", async () => {
    for (const name of ["oldgit", "git/oldgit", "oldgit"])
      for (const method of ["HEAD", "GET", "GET"]) {
        const answer = await send(method, `${firn.url}/v2/${name}/manifests/latest`);
        assert.equal(answer.status, 200, String(answer.body));
        assert.equal(
          answer.headers["warning"],
          `299 - "'oldgit' has been renamed to 'git'"`,
          `${method} ${name}`,
        );
      }
    const other = await send("GET", `${firn.url}/v2/git/manifests/latest`);
    assert.equal(other.headers["warning"], undefined);
  });
});
