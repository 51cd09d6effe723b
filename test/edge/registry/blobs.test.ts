/** Blobs: streamed with ranges, or redirected, as BLOBS says; HEAD always from the Worker. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import {
  digestOf,
  errorsOf,
  putBlob,
  type RequestHeaders,
  send,
  startTestEdge,
  type TestEdge,
} from "./support.ts";

const bytes = randomBytes(1_000);
const digest = digestOf(bytes);
const path = `/v2/git/blobs/${digest}`;
const SIZE = bytes.length;

describe("streamed", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startTestEdge();
    await putBlob(firn.bucket, new Uint8Array(bytes));
  });
  after(() => firn?.stop());

  const table: [string, RequestHeaders, number, [number, number] | undefined][] = [
    ["no range", {}, 200, [0, SIZE]],
    ["first bytes, as lazy pullers ask", { range: "bytes=0-1" }, 206, [0, 2]],
    ["a part", { range: "bytes=10-19" }, 206, [10, 20]],
    ["an open range", { range: "bytes=990-" }, 206, [990, SIZE]],
    ["the whole as a range", { range: "bytes=0-" }, 206, [0, SIZE]],
    ["a suffix", { range: "bytes=-5" }, 206, [SIZE - 5, SIZE]],
    ["a suffix longer than the blob", { range: "bytes=-5000" }, 206, [0, SIZE]],
    ["a range past the end", { range: "bytes=990-5000" }, 206, [990, SIZE]],
    ["capitals in the unit", { range: "Bytes=0-1" }, 206, [0, 2]],
    ["beyond the end", { range: "bytes=1000-" }, 416, undefined],
    ["an empty suffix", { range: "bytes=-0" }, 416, undefined],
    ["an unknown unit", { range: "lines=0-1" }, 200, [0, SIZE]],
    ["several ranges", { range: "bytes=0-1,5-6" }, 200, [0, SIZE]],
    ["a reversed range", { range: "bytes=500-0" }, 416, undefined],
    ["no range at all", { range: "bytes=a-b" }, 200, [0, SIZE]],
    ["If-Range that holds", { range: "bytes=0-1", "if-range": `"${digest}"` }, 206, [0, 2]],
    ["If-Range that does not", { range: "bytes=0-1", "if-range": '"other"' }, 200, [0, SIZE]],
    [
      "If-Range with a date",
      { range: "bytes=0-1", "if-range": "Thu, 01 Jan 1970 00:00:01 GMT" },
      200,
      [0, SIZE],
    ],
    ["If-None-Match", { "if-none-match": `"${digest}"` }, 304, [0, 0]],
    ["If-None-Match of another", { "if-none-match": '"other"' }, 200, [0, SIZE]],
    [
      "containerd's Accept",
      { accept: "application/vnd.oci.image.layer.v1.tar+gzip, */*" },
      200,
      [0, SIZE],
    ],
  ];
  for (const [what, headers, status, part] of table) {
    test(`${what}: ${status}`, async () => {
      const answer = await send("GET", firn.url + path, headers);
      assert.equal(answer.status, status);
      if (part === undefined) {
        assert.equal(answer.headers["content-range"], `bytes */${SIZE}`);
        assert.equal(errorsOf(answer)[0]?.code, "RANGE_INVALID");
        return;
      }
      assert.deepEqual(answer.body, bytes.subarray(...part));
      assert.equal(answer.headers["docker-content-digest"], digest);
      assert.equal(answer.headers["etag"], `"${digest}"`);
      assert.match(String(answer.headers["cache-control"]), /immutable/);
      if (status !== 304)
        assert.equal(Number(answer.headers["content-length"]), answer.body.length);
      assert.equal(
        answer.headers["content-range"],
        status === 206 ? `bytes ${part[0]}-${part[1] - 1}/${SIZE}` : undefined,
      );
    });
  }

  test("HEAD: the same headers, no body, whatever the range", async () => {
    for (const headers of [{}, { range: "bytes=0-1" }]) {
      const answer = await send("HEAD", firn.url + path, headers);
      assert.equal(answer.status, 200);
      assert.equal(answer.body.length, 0);
      assert.equal(Number(answer.headers["content-length"]), SIZE);
      assert.equal(answer.headers["docker-content-digest"], digest);
      assert.equal(answer.headers["accept-ranges"], "bytes");
    }
  });

  test("no content type that a browser would run is passed on; logs are plain text", async () => {
    const html = await putBlob(firn.bucket, new TextEncoder().encode("<script>"), "text/html");
    const log = await putBlob(
      firn.bucket,
      new TextEncoder().encode("error: <b>"),
      "text/plain; charset=utf-8",
    );
    const [first, second] = await Promise.all(
      [html, log].map((blob) => send("GET", `${firn.url}/v2/git/blobs/${blob.digest}`)),
    );
    assert.equal(first?.headers["content-type"], "application/octet-stream");
    assert.equal(second?.headers["content-type"], "text/plain; charset=utf-8");
    for (const answer of [first, second])
      assert.equal(answer?.headers["x-content-type-options"], "nosniff");
  });

  test("an absent blob is found once it is there", async () => {
    const late = new Uint8Array(randomBytes(50));
    const url = `${firn.url}/v2/git/blobs/${digestOf(late)}`;
    assert.equal((await send("GET", url)).status, 404);
    assert.equal((await send("HEAD", url)).status, 404);
    await putBlob(firn.bucket, late);
    assert.deepEqual((await send("GET", url)).body, Buffer.from(late));
  });

  test("a blob of 20 MB comes whole, and in parts", async () => {
    const large = new Uint8Array(randomBytes(20_000_000));
    const { digest: name } = await putBlob(firn.bucket, large);
    const whole = await send("GET", `${firn.url}/v2/git/blobs/${name}`);
    assert.equal(digestOf(whole.body), name);
    const tail = await send("GET", `${firn.url}/v2/git/blobs/${name}`, { range: "bytes=-1000000" });
    assert.deepEqual(tail.body, Buffer.from(large.subarray(-1_000_000)));
  });
});

for (const kind of ["presign", "public"] as const) {
  describe(`redirected (${kind})`, () => {
    let firn: TestEdge;
    before(async () => {
      firn = await startTestEdge({
        BLOBS: kind === "presign" ? "presign" : "public:https://cdn.example/base/",
      });
      await putBlob(firn.bucket, new Uint8Array(bytes));
    });
    after(() => firn?.stop());

    test("GET: 307 to the bucket, without the client's credentials", async () => {
      const answer = await send("GET", firn.url + path, {
        authorization: "Basic c2VjcmV0OnNlY3JldA==",
        range: "bytes=0-1",
      });
      assert.equal(answer.status, 307);
      assert.equal(answer.body.length, 0);
      const location = new URL(String(answer.headers.location));
      assert.equal(location.username + location.password, "");
      assert.ok(!location.href.includes("c2VjcmV0"));
      assert.ok(!JSON.stringify(answer.headers).includes("uthorization"));
      if (kind === "public") {
        assert.equal(location.href, `https://cdn.example/base/blobs/sha256/${digest.slice(7)}`);
        return;
      }
      assert.equal(location.searchParams.get("X-Amz-Expires"), "300");
      assert.ok(!location.href.includes(firn.edge.s3.secretAccessKey));
      const target = await send("GET", location.href);
      assert.equal(target.status, 200);
      assert.equal(digestOf(target.body), digest);
      const part = await send("GET", location.href, { range: "bytes=0-1" });
      assert.equal(part.status, 206);
      assert.deepEqual(part.body, bytes.subarray(0, 2));
      assert.equal(
        (await send("GET", firn.url + path)).headers.location,
        location.href,
        "signed once, handed out for a while",
      );
    });

    test("HEAD is answered by the Worker", async () => {
      const answer = await send("HEAD", firn.url + path);
      assert.equal(answer.status, 200);
      assert.equal(Number(answer.headers["content-length"]), SIZE);
      assert.equal(answer.headers.location, undefined);
    });

    test("no redirect to a blob that is absent, or that the client has already", async () => {
      assert.equal(
        (await send("GET", `${firn.url}/v2/git/blobs/sha256:${"0".repeat(64)}`)).status,
        404,
      );
      assert.equal(
        (await send("GET", firn.url + path, { "if-none-match": `"${digest}"` })).status,
        304,
      );
    });
  });
}
