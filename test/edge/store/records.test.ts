/**
 * A damaged record counts as absent: the pull that meets it works, the log names it once, and what
 * is made again takes its place in the bucket. In workerd, with an origin, for every kind.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { levelPath, packagePath, planPath, tagPath } from "../../../edge/contract/keys.ts";
import { startOrigin, type TestOrigin } from "../registry/origin.ts";
import {
  imagesOf,
  makeLevel,
  makePackage,
  putBase,
  putPackage,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
  type TestPackage,
} from "../registry/support.ts";
import { until } from "../../harness/until.ts";

/** A package whose finest level is not with its record. */
const layered = (name: string): TestPackage => ({
  name,
  levels: [[`${name}-a`, name], [`${name}-all`]],
  level: 1,
});
const layeredNames = ["level-0", "level-1", "level-2"];

let firn: TestEdge;
let origin: TestOrigin;
before(async () => {
  firn = await startTestEdge();
  await putBase(firn.bucket);
  origin = await startOrigin(firn, {
    stock: Object.fromEntries(layeredNames.map((name) => [name, layered(name)])),
  });
});
after(async () => {
  await origin?.stop();
  await firn?.stop();
});

const put = (path: string, text: string) =>
  firn.bucket.put(path, text, { contentType: "application/json", ifAbsent: false });
const textAt = async (path: string, { bucket } = firn): Promise<string> => {
  const object = await bucket.get(path);
  return object === null ? "" : new Response(object.body).text();
};
const pull = async (name: string) => {
  const answer = await send("GET", `${firn.url}/v2/${name}/manifests/latest`);
  assert.equal(answer.status, 200, String(answer.body));
  return answer;
};
const reports = (path: string) =>
  firn.log.filter((line) => line["event"] === "record.damaged" && line["path"] === path);

/** Fails when the object at `path` stays `damaged`. */
const replaced = (path: string, damaged: string): Promise<unknown> =>
  until(`${path} replaced`, async () => {
    const text = await textAt(path);
    return text !== damaged && text !== "" ? (JSON.parse(text) as object) : undefined;
  });

test("the tag and the plan pointer", async () => {
  await put(planPath("starter"), '{"plan":7}');
  await put(tagPath("starter", "latest"), "{no JSON");
  await putPackage(firn.bucket, { name: "git" });
  const answer = await pull("git");
  assert.equal(answer.headers["firn-revision"], REVISION);
  const tag = (await replaced(tagPath("starter", "latest"), "{no JSON")) as { revision: string };
  assert.equal(tag.revision, REVISION);
  await pull("git");
  for (const path of [planPath("starter"), tagPath("starter", "latest")])
    assert.equal(reports(path).length, 1, path);
});

interface Damage {
  readonly name: string;
  readonly path: string;
  /** What stands there when the pull begins. */
  readonly text: string;
  /** What else the image needs. */
  readonly prepare?: () => Promise<unknown>;
}

const packageDamage = (name: string, text: string): Damage => ({
  name,
  path: packagePath(SCOPE, name),
  text,
});
const levelDamage = (name: string, text: string): Damage => ({
  name,
  path: levelPath(SCOPE, name, 0),
  text,
  prepare: () => putPackage(firn.bucket, layered(name)),
});

const table: readonly [what: string, make: () => Damage | Promise<Damage>][] = [
  ["a package record that is no JSON", () => packageDamage("package-0", "")],
  ["a package record against its schema", () => packageDamage("package-1", '{"format":0}')],
  [
    "a package record of another package",
    async () =>
      packageDamage("package-2", JSON.stringify(await makePackage(firn.bucket, { name: "other" }))),
  ],
  ["a level record that is no JSON", () => levelDamage("level-0", "[")],
  ["a level record against its schema", () => levelDamage("level-1", '{"format":0}')],
  [
    "a level record of another level",
    async () =>
      levelDamage("level-2", JSON.stringify(await makeLevel(firn.bucket, 5, ["level-2"]))),
  ],
];
for (const [what, make] of table) {
  test(what, async () => {
    const { name, path, text, prepare } = await make();
    await prepare?.();
    await put(path, text);
    const { body } = await pull(name);
    await replaced(path, text);
    assert.deepEqual((await pull(name)).body, body);
    assert.equal(reports(path).length, 1);
  });
}

test("a record that can be used stays, whoever makes it again", async () => {
  const record = { ...(await makePackage(firn.bucket, { name: "kept" })), version: "first" };
  await put(packagePath(SCOPE, "kept"), JSON.stringify(record));
  await pull("kept");
  assert.equal(await textAt(packagePath(SCOPE, "kept")), JSON.stringify(record));
});

for (const [what, harm] of [
  ["that is no JSON", () => "{no JSON"],
  ["against its schema", () => '{"format":0}'],
  ["of another name", (text: string) => text.replace('"cacert":', '"ca":')],
  ["with another config", (text: string) => text.replace("WorkingDir", "workingDir")],
  [
    "with another layer",
    (text: string) => text.replace(/("layers":\[\{"digest":"sha256:)../, "$1ff"),
  ],
] as const) {
  test(`an image record ${what}`, async (t) => {
    // Made by one edge, harmed in the bucket of another one, which remembers nothing of it.
    const name = "image";
    await putPackage(firn.bucket, { name });
    const { body } = await pull(name);
    const [path = ""] = await imagesOf(firn.bucket, name);
    const text = await textAt(path);
    const harmed = harm(text);
    assert.notEqual(harmed, text);

    const fresh = await startTestEdge();
    t.after(() => fresh.stop());
    await putBase(fresh.bucket);
    await putPackage(fresh.bucket, { name });
    await putTag(fresh.bucket, "latest", REVISION);
    await fresh.bucket.put(path, harmed, { contentType: "application/json", ifAbsent: true });

    const answer = await send("GET", `${fresh.url}/v2/${name}/manifests/latest`);
    assert.equal(answer.status, 200, String(answer.body));
    assert.deepEqual(answer.body, body);
    assert.equal(await textAt(path, fresh), text);
    assert.equal((await fresh.logged("record.damaged")).length, 1);
  });
}
