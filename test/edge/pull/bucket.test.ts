/** What a pull does with the bucket: in which order it writes, and what it does without it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { aliasPath } from "../../../edge/contract/keys.ts";
import { ImageRecordSchema } from "../../../edge/contract/records.ts";
import * as v from "valibot";
import type { Seen } from "../registry/bucket-front.ts";
import {
  type Answer,
  imagesOf,
  putBase,
  putIndex,
  putPackage,
  putPlan,
  putTag,
  REVISION,
  SCOPE,
  send,
} from "../registry/support.ts";
import { until } from "../../harness/until.ts";
import { startOrigin } from "../registry/origin.ts";
import { type FrontedEdge, startFrontedEdge } from "./front.ts";

const HOUR = 3_600_000;
const LATER = "ab".repeat(20);

describe("what is answered can be found by whoever asks next", () => {
  let edge: FrontedEdge;
  before(async () => {
    edge = await startFrontedEdge();
    await putBase(edge.firn.bucket);
    await putTag(edge.firn.bucket, "latest", REVISION);
  });
  after(() => edge?.stop());

  test("a new image is one object, its record, written before the answer", async () => {
    const { bucket, url } = edge.firn;
    const record = await putPackage(bucket, { name: "git" });
    const written: string[] = [];
    let isAnswered = false;
    edge.front.before = async ({ method, key, body }: Seen) => {
      if (method !== "PUT") return;
      // Long enough that an answer that does not wait is seen.
      await sleep(100);
      assert.ok(!isAnswered, `${key} is written behind the answer`);
      written.push(key);
      const { images } = v.parse(ImageRecordSchema, JSON.parse(String(body)));
      const { layers = [] } = images["x86_64-linux"] ?? {};
      assert.ok(layers.length > record.layers.length);
    };
    const answer = await send("GET", `${url}/v2/git/manifests/latest`);
    isAnswered = true;
    assert.equal(answer.status, 200, String(answer.body));
    assert.deepEqual(written, await imagesOf(bucket, "git"));
    assert.equal(written.length, 1);
  });

  test("a package that does not exist: nothing is asked, once the names of the set are known", async () => {
    const { bucket, url } = edge.firn;
    await putIndex(bucket, ["cacert", "git", "iana-etc", "jq", "sets"]);
    await putIndex(bucket, ["one"], { path: ["sets"] });
    const statusOf = async (name: string): Promise<number> =>
      (await send("GET", `${url}/v2/${name}/manifests/latest`)).status;
    assert.equal(await statusOf("none"), 404);
    assert.equal(await statusOf("sets.two"), 404);
    const asked: string[] = [];
    edge.front.before = ({ key }: Seen) => void asked.push(key);
    for (const name of ["nothing", "git/nobody", "sets.three"])
      assert.equal(await statusOf(name), 404, name);
    assert.deepEqual(asked, []);
  });

  test("an alias that could not be written is written when it is made again", async () => {
    const { bucket, url } = edge.firn;
    const make = () => fetch(`${url}/api/aliases`, { method: "POST", body: '["git", "shell"]' });
    edge.front.before = ({ method }: Seen) => {
      if (method === "PUT") throw new Error("no PUT");
    };
    const refused = await make();
    assert.equal(refused.status, 503, await refused.text());
    edge.front.before = () => undefined;
    const made = await make();
    const { key } = (await made.json()) as { key: string };
    assert.equal(made.status, 201);
    assert.notEqual(await bucket.head(aliasPath(key)), null);
  });

  test("a record that cannot be written: 503, and nothing is said of the image", async () => {
    const { bucket, url } = edge.firn;
    await putPackage(bucket, { name: "jq" });
    edge.front.before = ({ method }: Seen) => {
      edge.front.down = method === "PUT";
      if (method === "PUT") throw new Error("no PUT");
    };
    const answer = await send("GET", `${url}/v2/jq/manifests/latest`);
    edge.front.before = () => undefined;
    edge.front.down = false;
    assert.equal(answer.status, 503, String(answer.body));
    assert.deepEqual(await imagesOf(bucket, "jq"), []);
  });
});

describe("a bucket that does not answer after the first pull", () => {
  let edge: FrontedEdge;
  before(async () => {
    edge = await startFrontedEdge();
    const { bucket } = edge.firn;
    for (const revision of [REVISION, LATER]) {
      const scope = { ...SCOPE, revision, plan: "c".repeat(64) };
      await putBase(bucket, scope);
      await putPackage(bucket, { name: "git", scope });
    }
    await putPlan(bucket, "c".repeat(64));
    await putTag(bucket, "latest", REVISION);
  });
  after(() => edge?.stop());
  const pull = (name = "git") => send("GET", `${edge.firn.url}/v2/${name}/manifests/latest`);

  test("a known tag and plan still serve the image, and what is not known is 503", async () => {
    const first = await pull();
    assert.equal(first.status, 200, String(first.body));

    edge.front.down = true;
    await edge.advance(HOUR);
    edge.front.requests.length = 0;
    const without = await pull();
    assert.equal(without.status, 200, String(without.body));
    assert.deepEqual(without.body, first.body);
    assert.ok(
      edge.front.requests.includes("GET tags/starter/latest.json"),
      "the tag was read again",
    );
    assert.ok(edge.front.requests.includes("GET plans/starter.json"), "the plan was read again");

    const unknown = await pull("jq");
    assert.equal(unknown.status, 503);
    assert.match(String(unknown.headers["retry-after"]), /^\d+$/);
  });

  test("when it answers again, what has changed meanwhile shows", async () => {
    await putTag(edge.firn.bucket, "latest", LATER);
    edge.front.down = false;
    await edge.advance(HOUR);
    assert.equal((await pull()).headers["firn-revision"], LATER);
  });
});

describe("an answer of the bucket that breaks off in the middle", () => {
  const kinds = ["packages/", "blobs/", "?list-type"];
  let edge: FrontedEdge;
  before(async () => {
    edge = await startFrontedEdge();
    const { bucket } = edge.firn;
    await putBase(bucket);
    for (const at of kinds.keys()) {
      await putPackage(bucket, { name: `once${at}` });
      await putPackage(bucket, { name: `always${at}` });
    }
    await putTag(bucket, "latest", REVISION);
  });
  after(() => edge?.stop());

  for (const [at, kind] of kinds.entries()) {
    const pull = async (name: string, cuts: (seen: Seen) => boolean): Promise<Answer> => {
      // So that nothing of another pull is in memory.
      await edge.advance(HOUR);
      edge.front.cuts = (seen) => seen.method === "GET" && seen.key.startsWith(kind) && cuts(seen);
      try {
        return await send("GET", `${edge.firn.url}/v2/${name}/manifests/latest`);
      } finally {
        edge.front.cuts = () => false;
      }
    };

    test(`${kind} once: it is read again`, async () => {
      let isCut = false;
      const answer = await pull(`once${at}`, () => !isCut && (isCut = true));
      assert.equal(answer.status, 200, String(answer.body));
    });

    test(`${kind} always: 503, and when to try again`, async () => {
      const { status, headers, body } = await pull(`always${at}`, () => true);
      assert.equal(status, 503, String(body));
      assert.match(String(headers["retry-after"]), /^\d+$/);
    });
  }
});

for (const [status, why] of [
  [507, "it is full"],
  [403, "it has a quota, or other credentials"],
] as const)
  test(`a bucket that refuses every write (${status}, ${why}): told at once, and nothing is lost`, async () => {
    // Longer than any test: nobody is held until then.
    const edge = await startFrontedEdge({ BUILD_WAIT: "3600" });
    const { bucket, url, logged } = edge.firn;
    const origin = await startOrigin(edge.firn);
    try {
      await putBase(bucket);
      for (const name of ["known", "other"]) await putPackage(bucket, { name });
      await putTag(bucket, "latest", REVISION);
      const pull = (name: string) => send("GET", `${url}/v2/${name}/manifests/latest`);
      assert.equal((await pull("known")).status, 200);
      edge.front.refuses = ({ method }) => (method === "PUT" ? status : undefined);

      for (let times = 0; times < 2; times += 1) {
        const { status: answered, headers, body } = await pull("fresh");
        assert.equal(answered, 503, String(body));
        assert.match(String(body), /storage takes nothing new at the moment/);
        assert.match(String(headers["retry-after"]), /^\d+$/);
      }
      const composed = await pull("known/other");
      assert.equal(composed.status, 503, String(composed.body));
      assert.match(String(composed.body), /storage refuses requests at the moment/);
      assert.match(String((await logged("farm.storage"))[0]?.["problem"]), /PUT of .* failed/);
      assert.equal((await pull("known")).status, 200, "what is there is served");

      edge.front.refuses = () => undefined;
      await until("the image of the package that was kept", async () => {
        const answer = await pull("fresh");
        return answer.status === 200 ? true : undefined;
      });
      const made = origin.jobs.filter(([item]) => item?.kind === "package");
      assert.equal(made.length, 1, "it was made once");
    } finally {
      await origin.stop();
      await edge.stop();
    }
  });

test("so many images at once in an isolate; others wait, too many are told to come again", async () => {
  const edge = await startFrontedEdge({ LIMIT_IMAGES: "off" });
  try {
    const { bucket, url } = edge.firn;
    const names = Array.from({ length: 31 }, (_, index) => `p${index}`);
    await putBase(bucket);
    for (const name of names) await putPackage(bucket, { name });
    await putTag(bucket, "latest", REVISION);
    const gate = Promise.withResolvers<void>();
    let reads = 0;
    edge.front.before = ({ method, key }: Seen) => {
      if (method !== "GET" || !key.startsWith("blobs/")) return undefined;
      reads += 1;
      return gate.promise;
    };
    const images = names.flatMap((name, index) =>
      names.slice(index + 1).map((other) => `${name}/${other}`),
    );
    const refused: Answer[] = [];
    const pulls = images.map(async (image) => {
      const answer = await send("GET", `${url}/v2/${image}/manifests/latest`);
      if (answer.status !== 200) refused.push(answer);
      return answer;
    });
    // 465 images of four packages: 16 are composed, 419 wait.
    await until("some are too many", () => (refused.length > 0 ? refused : undefined));
    assert.ok(reads > 0);
    gate.resolve();
    const answers = await Promise.all(pulls);
    const made = answers.filter(({ status }) => status === 200).length;
    assert.ok(made >= 16 + 419, `${made} images were made`);
    for (const { status, headers, body } of refused) {
      assert.equal(status, 503, String(body));
      assert.equal(headers["retry-after"], "5");
      assert.match(String(body), /too many images are waiting to be composed/);
    }
  } finally {
    await edge.stop();
  }
});
