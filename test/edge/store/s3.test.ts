/**
 * A bucket in trouble is a BucketUnavailable after a few attempts, never an absent object: a 404
 * would be believed, and remembered.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import {
  ATTEMPTS,
  bucketOperation,
  BucketUnavailable,
  isRefused,
} from "../../../edge/store/bucket.ts";
import { presign, signPut } from "../../../edge/store/s3-signed-requests.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import type { S3Config } from "../../../edge/store/s3-client.ts";

let server: Server | undefined;
const close = (): void => {
  server?.closeAllConnections();
  server?.close();
};
afterEach(close);

/**
 * An S3 endpoint that does as it is told, request by request; the last instruction stays in force.
 */
async function endpoint(
  ...steps: ((response: ServerResponse) => void)[]
): Promise<{ config: S3Config; requests: string[] }> {
  close();
  const requests: string[] = [];
  server = createServer((request, response) => {
    requests.push(
      `${request.method} ${request.url} ${request.headers["if-none-match"] ?? ""}`.trim(),
    );
    request.resume();
    request.on("end", () => (steps.length > 1 ? steps.shift() : steps[0])?.(response));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    config: {
      endpoint: `http://127.0.0.1:${port}/path/`,
      bucket: "b",
      region: "auto",
      accessKeyId: "id",
      secretAccessKey: "secret",
    },
    requests,
  };
}
const status =
  (code: number, body = "") =>
  (response: ServerResponse) =>
    void response.writeHead(code, { "content-length": body.length }).end(body);
const hangUp = (response: ServerResponse): void => void response.destroy();

const isUnavailable = (error: unknown): boolean =>
  error instanceof BucketUnavailable && error.cause instanceof Error;

test("what never answers is aborted and given up, attempt by attempt", async () => {
  const signals: AbortSignal[] = [];
  const never = (signal: AbortSignal): Promise<never> => {
    signals.push(signal);
    return new Promise(() => {});
  };
  await assert.rejects(bucketOperation("GET of key", never, 20), (error: Error) => {
    assert.ok(isUnavailable(error));
    assert.match(String(error.cause), /did not answer within 0\.02 seconds/);
    return true;
  });
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    Array(ATTEMPTS).fill(true),
  );
});

for (const [what, step, refuses] of [
  ["500", status(500, "<Error/>"), false],
  ["503", status(503), false],
  ["429", status(429), false],
  ["403 (credentials)", status(403), true],
  ["507 (full)", status(507), true],
  ["a connection that breaks", hangUp, false],
] as const) {
  test(`${what} on every attempt: BucketUnavailable after ${ATTEMPTS}, for reads and writes`, async () => {
    const { config, requests } = await endpoint(step);
    const bucket = s3Bucket(config);
    await assert.rejects(bucket.head("k"), isUnavailable);
    await assert.rejects(bucket.get("k"), (error) => {
      assert.equal(isRefused(error), refuses, "whether an operator has to look at it");
      return isUnavailable(error);
    });
    await assert.rejects(
      bucket.put("k", "text", { contentType: "text/plain", ifAbsent: true }),
      isUnavailable,
    );
    assert.equal(requests.filter((line) => line.startsWith("HEAD")).length, ATTEMPTS);
    assert.equal(requests.filter((line) => line.startsWith("PUT")).length, ATTEMPTS);
  });
}

test("trouble that passes is not noticed", async () => {
  const { config } = await endpoint(status(503), hangUp, status(200, "body"));
  const found = await s3Bucket(config).get("k");
  assert.equal(await new Response(found?.body).text(), "body");
});

const listing = (contents: string): string =>
  `<ListBucketResult><IsTruncated>false</IsTruncated>${contents}</ListBucketResult>`;
const entry = (modified: string): string =>
  `<Contents><Key>k</Key><Size>1</Size><LastModified>${modified}</LastModified></Contents>`;

const text = (headers: Record<string, string>) => (response: ServerResponse) =>
  void response.writeHead(200, headers).end("text");

test("an answer that cannot be relied on is no object: a proxy's, for instance", async () => {
  for (const [step, range, why] of [
    [text({}), undefined, /without the object's size/],
    [text({ "content-length": "4" }), { offset: 1, length: 2 }, /more than the part asked for/],
  ] as const) {
    const { config } = await endpoint(step);
    await assert.rejects(s3Bucket(config).get("k", range), (error: Error) => {
      assert.ok(isUnavailable(error));
      assert.match(String(error.cause), why);
      return true;
    });
  }
  const { config } = await endpoint(text({ "content-length": "4", "content-encoding": "br" }));
  await assert.rejects(s3Bucket(config).head("k"), isUnavailable);
});

test("a listing that is cut short, or lacks sizes, times or the objects it speaks of, is none", async () => {
  const whole = listing(entry("2026-01-02T03:04:05.000Z"));
  const { config } = await endpoint(status(200, whole));
  const { objects, more } = await s3Bucket(config).list("", { limit: 10 });
  assert.deepEqual(objects, [{ key: "k", size: 1, writtenAt: Date.UTC(2026, 0, 2, 3, 4, 5) }]);
  assert.equal(more, false);
  const wrong = {
    "cut short": whole.slice(0, -10),
    "no date": listing(entry("yesterday")),
    "an empty date": listing(entry("")),
    "no size": whole.replace(/<Size>.*<.Size>/, ""),
    "no key": whole.replace("<Key>k</Key>", ""),
    "more, behind nothing": listing("").replace("false", "true"),
  };
  for (const [what, xml] of Object.entries(wrong)) {
    const { config: other } = await endpoint(status(200, xml));
    await assert.rejects(s3Bucket(other).list("", { limit: 10 }), isUnavailable, what);
  }
  const { config: other } = await endpoint(status(200, whole));
  await assert.rejects(
    s3Bucket(other).list("blobs/", { limit: 10 }),
    isUnavailable,
    "not asked for",
  );
});

test("a throttled read that then finds nothing is an absent object", async () => {
  const { config, requests } = await endpoint(status(429), status(404));
  assert.equal(await s3Bucket(config).get("k"), null);
  assert.equal(requests.length, 2);
});

test("deleting what is not there is no error", async () => {
  const { config, requests } = await endpoint(status(404));
  await s3Bucket(config).delete("k");
  assert.deepEqual(requests, ["DELETE /path/b/k"]);
});

test("an object that is there already is no error, and keys go below endpoint and bucket", async () => {
  const { config, requests } = await endpoint(status(412));
  await s3Bucket(config).put("packages/a~1 #.json", "text", {
    contentType: "text/plain",
    ifAbsent: true,
  });
  assert.deepEqual(requests, ["PUT /path/b/packages/a~1%20%23.json *"]);
});

test("a presigned URL names its life and holds no secret", async () => {
  const { config } = await endpoint(status(200));
  const url = new URL(await presign(config, "blobs/sha256/00", 300));
  assert.equal(url.pathname, "/path/b/blobs/sha256/00");
  assert.equal(url.searchParams.get("X-Amz-Expires"), "300");
  assert.ok(url.searchParams.get("X-Amz-Signature"));
  assert.ok(!url.href.includes("secret"));
});

test("who is given a signed request reaches the bucket by its public address", async () => {
  const config: S3Config = {
    endpoint: "http://10.0.0.1:9000",
    publicEndpoint: "https://s3.example/files/",
    bucket: "b",
    region: "auto",
    accessKeyId: "id",
    secretAccessKey: "secret",
  };
  const digest = `sha256:${"0".repeat(64)}` as const;
  const put = { digest, size: 1, contentType: "x/y", ifAbsent: true };
  for (const url of [
    await presign(config, "blobs/sha256/00", 300),
    (await signPut(config, put)).url,
  ])
    assert.match(url, /^https:\/\/s3\.example\/files\/b\/blobs\/sha256\/00/);
});
