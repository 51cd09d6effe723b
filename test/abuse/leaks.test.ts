/** What strangers cause must not tell them of the inside, nor stay in the operator's storage. */
import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startOwnEdge } from "../harness/start-edge.ts";
import { operatorBucket } from "../../origin/plan/operator-bucket.ts";
import { startFrontedEdge } from "../edge/pull/front.ts";
import { startOrigin, type TestOrigin } from "../edge/registry/origin.ts";
import {
  IMPATIENT,
  putBase,
  putPackage,
  putTag,
  REVISION,
  startTestEdge,
  type TestEdge,
} from "../edge/registry/support.ts";
import { until } from "../harness/until.ts";
import { raw } from "./raw.ts";
import { bundled } from "../harness/bundle.ts";

/** What the inside has, and no answer may. */
const INNER = {
  address: "10.1.2.3:9000",
  account: "acct-4711",
  bucket: "inner-bucket",
  secret: "s3-secret-of-the-operator",
  path: "/srv/origin/state",
};
const TROUBLE =
  `PUT https://${INNER.account}.r2.example/${INNER.bucket}/blobs: connect ECONNREFUSED ` +
  `${INNER.address} (${INNER.path}, ${INNER.secret})`;
const isSilent = (told: string): void => {
  for (const [what, value] of Object.entries(INNER))
    assert.ok(!told.includes(value), `the ${what} is in an answer: ${told}`);
};

describe("an origin in trouble", () => {
  let firn: TestEdge;
  let origin: TestOrigin;
  before(async () => {
    firn = await startTestEdge(
      { BUILD_WAIT: "60", PACKAGE_SET: "channel:nixos-unstable" },
      { worker: IMPATIENT },
    );
    await putTag(firn.bucket, "latest", REVISION, Date.now(), "channel");
    const trouble = { reason: "error", message: TROUBLE } as const;
    origin = await startOrigin(firn, {
      packageSet: { id: "channel", label: "channel:nixos-unstable" },
      stock: { cacert: trouble, "iana-etc": trouble, hello: trouble },
      tags: { "nixos-24.05": trouble },
    });
  });
  after(async () => {
    await origin?.stop();
    await firn?.stop();
  });

  for (const [what, path] of [
    ["a build", "/v2/hello/manifests/latest"],
    ["a tag", "/v2/hello/manifests/nixos-24.05"],
  ] as const)
    test(`${what}: the client learns that it failed, the log why`, async () => {
      const answer = await raw(firn, { path });
      assert.equal(answer.status, 503, answer.body);
      isSilent(answer.body + JSON.stringify([...answer.headers]));
      const [line] = await firn.logged("item.give-up");
      assert.match(JSON.stringify(line), new RegExp(INNER.address.replaceAll(".", "\\.")));
    });
});

describe("a bucket in trouble", () => {
  test("one that refuses: no endpoint, no bucket, no key of it is in any answer", async () => {
    const firn = await startTestEdge(
      {
        S3_ENDPOINT: `http://127.0.0.1:1/${INNER.account}`,
        S3_BUCKET: INNER.bucket,
        S3_ACCESS_KEY_ID: INNER.path,
        S3_SECRET_ACCESS_KEY: INNER.secret,
        BLOBS: "presign",
      },
      { worker: fileURLToPath(new URL("../edge/pull/worker.ts", import.meta.url)) },
    );
    try {
      for (const path of [
        "/v2/git/manifests/latest",
        `/v2/git/manifests/sha256:${"0".repeat(64)}`,
        `/v2/git/blobs/sha256:${"0".repeat(64)}`,
        `/v2/git/manifests/${REVISION}`,
      ])
        for (const method of ["GET", "HEAD"]) {
          const answer = await raw(firn, { method, path });
          assert.equal(answer.status, 503, answer.body);
          isSilent(answer.body + JSON.stringify([...answer.headers]));
          assert.doesNotMatch(answer.body, /127\.0\.0\.1:1\b|ECONNREFUSED/);
        }
      assert.doesNotMatch(JSON.stringify(firn.log), new RegExp(INNER.secret), "nor in the log");
    } finally {
      await firn.stop();
    }
  });

  test("one that never answers a request is asked again, and wedges nothing", async () => {
    const { firn, front, stop } = await startFrontedEdge({ BUILD_WAIT: "30" });
    const origin = await startOrigin(firn);
    try {
      // The first read of a package's record, and the first write of the new image's, hang for
      // ever.
      const hung = new Set<string>();
      front.before = ({ method, key }) => {
        const kind = `${method} ${key.split("/")[0]}`;
        if (!["GET packages", "PUT images"].includes(kind) || hung.has(kind)) return undefined;
        hung.add(kind);
        return new Promise(() => undefined);
      };
      const pull = (): ReturnType<typeof raw> => raw(firn, { path: "/v2/git/manifests/latest" });
      const answers = await Promise.all([pull(), pull(), pull()]);
      for (const { status } of answers) assert.ok([200, 503].includes(status), String(status));
      front.before = () => undefined;
      await until("the package is there", async () =>
        (await pull()).status === 200 ? true : undefined,
      );
      assert.deepEqual([...hung], ["GET packages", "PUT images"]);
    } finally {
      await origin.stop();
      await stop();
    }
  });
});

describe("what stays", () => {
  let firn: TestEdge;
  let origin: TestOrigin;
  before(async () => {
    firn = await startTestEdge();
    await putBase(firn.bucket);
    await putTag(firn.bucket, "latest", REVISION);
    for (let n = 0; n < 8; n += 1) await putPackage(firn.bucket, { name: `known${n}` });
    origin = await startOrigin(firn, {
      names: { "": ["cacert", "iana-etc", ...FAILING] },
      stock: Object.fromEntries(
        FAILING.map((name) => [name, { reason: "failed", message: `${name} does not build` }]),
      ),
    });
  });
  after(async () => {
    await origin?.stop();
    await firn?.stop();
  });

  test("30 names that fail leave no database of a Durable Object, and no object in the bucket", async () => {
    const before = await objects();
    for (const name of FAILING)
      assert.equal((await raw(firn, { path: `/v2/${name}/manifests/latest` })).status, 500);
    assert.equal(
      origin.jobs.flat().filter(({ kind }) => kind === "package").length,
      FAILING.length,
    );
    // workerd makes an empty file, of one page, for each object that lives; Cloudflare keeps none.
    const builds = await databases("Build");
    assert.ok(builds.length > 0, "this is where databases are");
    for (const { path, size } of builds) assert.ok(size <= EMPTY_DATABASE, `${path}: ${size}`);
    const left = (await objects()).filter(
      (key) => !before.includes(key) && !key.startsWith("demand/"),
    );
    assert.deepEqual(
      left.filter((key) => !/^(index|blobs)\//.test(key)),
      [],
    );
    assert.ok(left.length <= 2, `the list of names, and nothing more: ${left.join(", ")}`);
  });

  test("when the edge starts again the empty files are gone too", async () => {
    const { stateDir, edge } = firn;
    await origin.stop();
    await edge.stop();
    const again = await startOwnEdge({
      stateDir,
      env: { PACKAGE_SET: "starter" },
      module: bundled(),
      site: false,
    });
    try {
      assert.equal((await fetch(`${again.url}/v2/`)).status, 200);
      assert.deepEqual(await databases("Build"), []);
      assert.equal((await databases("Farm")).length, 1, "the farm keeps its own");
    } finally {
      await again.stop();
    }
  });

  const databases = async (object: string): Promise<{ path: string; size: number }[]> => {
    const files = await readdir(firn.stateDir, { recursive: true });
    const found = files.filter((path) =>
      new RegExp(`-${object}/[0-9a-f]{64}\\.sqlite$`).test(path),
    );
    return Promise.all(
      found.map(async (path) => {
        // What was written last is in the log beside the file.
        const parts = [path, `${path}-wal`].filter((part) => files.includes(part));
        const sizes = await Promise.all(parts.map((part) => stat(join(firn.stateDir, part))));
        return { path, size: sizes.reduce((sum, { size }) => sum + size, 0) };
      }),
    );
  };
  const objects = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const key of operatorBucket(firn.edge.s3).list("")) keys.push(key);
    return keys;
  };
});

/** One page of SQLite, bytes. */
const EMPTY_DATABASE = 4_096;
/** Packages whose builds fail. */
const FAILING = Array.from({ length: 30 }, (_, n) => `broken${n}`);
