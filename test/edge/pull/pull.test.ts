/** Pulls through a real farm and a connected origin, and what a person is told when one fails. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import type { Failure } from "../../../edge/contract/items.ts";
import { type OriginOptions, startOrigin, type TestOrigin } from "../registry/origin.ts";
import {
  type Answer,
  digestOf,
  errorsOf,
  putBlob,
  putRevision,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";
import { packagePath } from "../../../edge/contract/keys.ts";
import { until } from "../../harness/until.ts";

let firn: TestEdge;
let origin: TestOrigin | undefined;
before(async () => {
  firn = await startTestEdge();
});
after(() => firn?.stop());
afterEach(async () => {
  await origin?.stop();
  origin = undefined;
});

const start = async (options: OriginOptions = {}): Promise<TestOrigin> =>
  (origin = await startOrigin(firn, options));
const get = (path: string, headers = {}): Promise<Answer> => send("GET", firn.url + path, headers);
const published = (): string[] =>
  (origin?.jobs ?? [])
    .flat()
    .flatMap((item) => (item.kind === "package" ? [item.name] : []))
    .sort();
const timesPublished = (wanted: string): number =>
  published().filter((name) => name === wanted).length;
const failure = (
  reason: Failure["reason"],
  message: string,
  more: Partial<Failure> = {},
): Failure => ({ reason, message, ...more });
const failuresOf = (
  error: { readonly detail?: unknown } | undefined,
): { package: string; log: string[]; logUrl: string }[] =>
  (error?.detail as { failures: { package: string; log: string[]; logUrl: string }[] } | undefined)
    ?.failures ?? [];
const messageOf = (answer: Answer): string => errorsOf(answer)[0]?.message ?? "";

describe("built", () => {
  test("HEAD builds as GET does; then image and combinations need no origin", async () => {
    await start();
    const first = await send("HEAD", `${firn.url}/v2/git/manifests/latest`);
    assert.equal(first.status, 200);
    assert.deepEqual(published(), ["cacert", "git", "iana-etc"]);
    assert.equal((await get("/v2/curl/jq/manifests/latest")).status, 200);
    assert.deepEqual(
      published(),
      ["cacert", "curl", "git", "iana-etc", "jq"],
      "only what is new is asked for",
    );
    await origin?.stop();

    const again = await get("/v2/git/manifests/latest");
    assert.equal(again.headers["docker-content-digest"], first.headers["docker-content-digest"]);
    assert.equal(digestOf(again.body), first.headers["docker-content-digest"]);
    const combined = await get("/v2/jq/git/manifests/latest");
    assert.equal(combined.status, 200);
    for (const { digest } of (JSON.parse(String(combined.body)) as { layers: { digest: string }[] })
      .layers) {
      assert.equal((await send("HEAD", `${firn.url}/v2/jq/git/blobs/${digest}`)).status, 200);
    }
  });

  test("a pull that was held is told so, with the log's address; the log joins their ids", async () => {
    await start();
    const first = await get("/v2/watched/manifests/latest");
    assert.equal(first.status, 200);
    const told = /^299 - "watched was built for this pull; its log: (http[^"]*)"$/.exec(
      String(first.headers["warning"]),
    );
    const url = new URL(told?.[1] ?? assert.fail(`Warning: ${first.headers["warning"]}`));
    assert.equal(url.origin, new URL(firn.url).origin);
    const followed = await get(url.pathname);
    assert.equal(followed.status, 200);
    assert.match(String(followed.body), /\ndone\n$/);
    const build = url.pathname.split("/").at(-1);
    const held = await until("the pull in the log", () =>
      firn.log.find((line) => line["event"] === "pull.held" && line["build"] === build),
    );
    assert.equal(held["path"], "/v2/watched/manifests/latest");
    assert.match(String(held["request"]), /^[0-9a-f-]{36}$/);
    const short = build?.slice(0, 12);
    await until("the job in the log, with its builds", () =>
      firn.log.find(
        ({ event, builds }) =>
          event === "job.assigned" && JSON.stringify(builds) === JSON.stringify([short]),
      ),
    );

    const again = await get("/v2/watched/manifests/latest");
    assert.equal(again.headers["warning"], undefined, "nobody waited for this one");
  });

  test("16 requests at once for one package: one job, equal answers", async () => {
    await start();
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => get("/v2/together/manifests/latest")),
    );
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    assert.equal(new Set(answers.map(({ body }) => digestOf(body))).size, 1);
    assert.deepEqual(
      published(),
      published().includes("cacert") ? ["cacert", "iana-etc", "together"] : ["together"],
    );
  });

  test("amd64 and arm64 are two images", async () => {
    await start();
    const [amd64, arm64] = await Promise.all([
      get("/v2/amd64/hello/manifests/latest"),
      get("/v2/arm64/hello/manifests/latest"),
    ]);
    assert.equal(amd64.status + arm64.status, 400);
    assert.notEqual(amd64.headers["docker-content-digest"], arm64.headers["docker-content-digest"]);
    const { digest } = (JSON.parse(String(arm64.body)) as { config: { digest: string } }).config;
    assert.equal(
      (
        JSON.parse(String((await get(`/v2/arm64/hello/blobs/${digest}`)).body)) as {
          architecture: string;
        }
      ).architecture,
      "arm64",
    );
  });

  test("a build longer than BUILD_WAIT: 503 that says so; a retry joins the same build", async (t) => {
    const impatient = await startTestEdge({ BUILD_WAIT: "2" });
    t.after(() => impatient.stop());
    await putTag(impatient.bucket, "latest", REVISION);
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    origin = await startOrigin(impatient, { gate: () => opened });
    const pull = () => send("GET", `${impatient.url}/v2/slow/manifests/latest`);
    for (const attempt of ["first", "retry"]) {
      const early = await pull();
      assert.equal(early.status, 503, attempt);
      assert.equal(errorsOf(early)[0]?.code, "UNAVAILABLE");
      assert.match(messageOf(early), /slow.*not finished after 2 seconds.*pulling again/);
      assert.match(String(early.headers["retry-after"]), /^\d+$/);
    }
    await until("the job", () => timesPublished("slow") > 0);
    open();
    await until("the image", async () => (await pull()).status === 200);
    assert.equal(
      timesPublished("slow"),
      1,
      "the retry was held by the build that the first request began",
    );
  });

  test("no method but GET and HEAD builds anything", async () => {
    await start();
    for (const method of ["PUT", "POST", "PATCH", "DELETE", "OPTIONS"]) {
      const answer = await send(method, `${firn.url}/v2/unasked/manifests/latest`);
      assert.equal(answer.status, 405, method);
    }
    // Jobs arrive in order: when this one is here, one for what was refused would be too.
    assert.equal((await get("/v2/fence/manifests/latest")).status, 200);
    assert.ok(published().includes("fence"));
    assert.ok(!published().includes("unasked"));
  });

  test("60 requests at once for one image: every answer is complete", async () => {
    await start();
    const accepts = [
      "application/vnd.oci.image.manifest.v1+json",
      "application/vnd.docker.distribution.manifest.v2+json",
      "*/*",
    ];
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) =>
        get("/v2/whole/manifests/latest", { accept: accepts[n % 3] ?? "" }),
      ),
    );
    for (const { status, headers, body } of answers) {
      assert.equal(status, 200);
      assert.equal(Number(headers["content-length"]), body.length);
      assert.equal(headers["docker-content-digest"], digestOf(body));
    }
  });
});

describe("failed", () => {
  test("unknown packages: 404 with all of them and their nearest names, whatever else failed", async () => {
    await start({
      stock: {
        gti: failure("unknown", "no such attribute", { nearest: ["git", "gtk"] }),
        lib: failure("unknown", "a set, not a package"),
        broken: failure("failed", "exit 1"),
      },
    });
    const answer = await get("/v2/gti/lib/broken/good/manifests/latest");
    assert.equal(answer.status, 404);
    const [error] = errorsOf(answer);
    assert.equal(error?.code, "MANIFEST_UNKNOWN");
    assert.match(
      error?.message ?? "",
      /gti: no such attribute \(nearest: git, gtk\); lib: a set, not a package/,
    );
    assert.doesNotMatch(error?.message ?? "", /broken|good/);
    assert.deepEqual(
      failuresOf(error)
        .map((each) => each.package)
        .sort(),
      ["broken", "gti", "lib"],
    );
    const head = await send("HEAD", `${firn.url}/v2/gti/lib/broken/good/manifests/latest`);
    assert.equal(head.status, 404);
    assert.match(String(head.headers["warning"]), /gti/);
  });

  test("a failed build: 500, its reason in one line, the log's end and URL in the detail", async () => {
    const logBlob = await putBlob(
      firn.bucket,
      new TextEncoder().encode("a\nb\nerror: boom\n"),
      "text/plain; charset=utf-8",
    );
    await start({
      stock: {
        bad1: failure("failed", "builder for bad1 failed with exit code 1", {
          log: ["b", "error: boom"],
          logBlob,
        }),
      },
    });
    const answer = await get("/v2/bad1/manifests/latest");
    assert.equal(answer.status, 500);
    const [error] = errorsOf(answer);
    assert.equal(error?.code, "UNKNOWN");
    assert.match(error?.message ?? "", /bad1 does not build: builder for bad1 failed/);
    const [detail] = failuresOf(error);
    assert.deepEqual(detail?.log, ["b", "error: boom"]);
    const log = await send("GET", detail?.logUrl ?? "");
    assert.equal(String(log.body), "a\nb\nerror: boom\n");
    assert.match(String(log.headers["content-type"]), /^text\/plain/);
    const build = (error?.detail as { log?: string } | undefined)?.log ?? "";
    assert.match(String((await send("GET", build)).body), /\nfailed: builder for bad1 failed/);
  });

  for (const [reason, status, code, message] of [
    ["refused", 500, "UNKNOWN", /refuses to evaluate: unfree licence/],
    ["timeout", 504, "UNKNOWN", /took too long to build: unfree licence/],
  ] as const) {
    test(`${reason}: ${status}`, async () => {
      await start({ stock: { [`bad-${reason}`]: failure(reason, "unfree licence") } });
      const answer = await get(`/v2/bad-${reason}/manifests/latest`);
      assert.equal(answer.status, status);
      assert.equal(errorsOf(answer)[0]?.code, code);
      assert.match(messageOf(answer), message);
    });
  }

  test("an unknown revision: one cause, told once, without packages that were not asked for", async () => {
    const unknown = failure("unknown", "nixpkgs has no commit 0000");
    const names = ["cacert", "iana-etc", "git", "curl"];
    await start({ stock: Object.fromEntries(names.map((name) => [name, unknown])) });
    await putRevision(firn.bucket, "0".repeat(40));
    const answer = await get(`/v2/git/curl/manifests/${"0".repeat(40)}`);
    assert.equal(answer.status, 404);
    assert.equal(messageOf(answer), "nixpkgs has no commit 0000");
    assert.doesNotMatch(String(answer.body), /cacert|iana-etc/);
  });

  test("a package record that is damaged is made again", async () => {
    await start();
    await firn.bucket.put(packagePath(SCOPE, "damaged"), JSON.stringify({ ...SCOPE, format: 0 }), {
      contentType: "application/json",
      ifAbsent: false,
    });
    assert.equal((await get("/v2/damaged/manifests/latest")).status, 200);
    assert.ok(published().includes("damaged"));
  });
});
