/**
 * What a signed PUT is good for, as the bucket sees it: every refusal here is the bucket's own.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { type Digest, digestOf } from "../../../edge/contract/digest.ts";
import { blobPath } from "../../../edge/contract/keys.ts";
import {
  type PutTerms,
  signPut,
  type SignedRequest,
} from "../../../edge/store/s3-signed-requests.ts";
import { sendSigned as send } from "../../harness/send-signed.ts";
import { type LocalBucket, startBucket } from "../../origin/layers/local-bucket.ts";

const TYPE = "text/plain; charset=utf-8";
let bucket: LocalBucket;
before(async () => {
  bucket = await startBucket();
});
after(() => bucket.stop());

interface Signed {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly digest: Digest;
  readonly put: SignedRequest;
}

/** A blob that nobody has, and a PUT that was signed for it. */
async function signed(terms: Partial<PutTerms> = {}): Promise<Signed> {
  const body = new Uint8Array(randomBytes(1_000));
  const digest = await digestOf(body);
  const put = await signPut(bucket.access, {
    digest,
    size: body.length,
    contentType: TYPE,
    ifAbsent: true,
    ...terms,
  });
  return { body, digest, put };
}

const has = async (digest: Digest): Promise<boolean> =>
  (await bucket.keys()).includes(blobPath(digest));

describe("a signed PUT", () => {
  test("stores its blob, once: sent again, the bucket keeps what it has", async () => {
    const { body, digest, put } = await signed();
    assert.equal(await send(put, body), "200");
    assert.deepEqual(new Uint8Array(await bucket.bytes(blobPath(digest))), body);
    assert.equal(await send(put, body), "412 PreconditionFailed");
  });

  test("one that may replace stores its blob over what is there", async () => {
    const { body, digest, put } = await signed({ ifAbsent: false });
    await bucket.put(blobPath(digest), "something else");
    assert.equal(await send(put, body), "200");
    assert.deepEqual(new Uint8Array(await bucket.bytes(blobPath(digest))), body);
  });

  const mismatch = "403 SignatureDoesNotMatch";
  const refusals: readonly [
    what: string,
    answer: string,
    change: (signed: Signed) => [SignedRequest, Uint8Array],
  ][] = [
    [
      "other content of the same size",
      "400 XAmzContentSHA256Mismatch",
      ({ put, body }) => [put, body.map((byte, at) => (at === 500 ? byte ^ 1 : byte))],
    ],
    [
      "content that is said not to be hashed",
      mismatch,
      ({ put, body }) => [withHeaders(put, { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" }), body],
    ],
    [
      "more than its size",
      mismatch,
      ({ put, body }) => [
        withHeaders(put, { "content-length": "2000" }),
        new Uint8Array([...body, ...body]),
      ],
    ],
    [
      "a part of it",
      mismatch,
      ({ put, body }) => [withHeaders(put, { "content-length": "999" }), body.subarray(1)],
    ],
    [
      "a length that is not told",
      mismatch,
      ({ put: { url, headers }, body }) => {
        const { "content-length": _, ...rest } = headers;
        return [{ url, headers: { ...rest, "transfer-encoding": "chunked" } }, body];
      },
    ],
    [
      "another content type",
      mismatch,
      ({ put, body }) => [withHeaders(put, { "content-type": "text/html" }), body],
    ],
    [
      "another key",
      mismatch,
      ({ put, body, digest }) => [
        { ...put, url: put.url.replace(digest.slice(7), "0".repeat(64)) },
        body,
      ],
    ],
    [
      "over what is there",
      mismatch,
      ({ put: { url, headers }, body }) => {
        const { "if-none-match": _, ...rest } = headers;
        return [{ url, headers: rest }, body];
      },
    ],
  ];
  for (const [what, answer, change] of refusals)
    test(`is not good for ${what}`, async () => {
      const made = await signed();
      const keys = await bucket.keys();
      assert.equal(await send(...change(made)), answer);
      assert.deepEqual(await bucket.keys(), keys);
    });

  test("is not good for another method", async () => {
    const { body, put } = await signed();
    await send(put, body);
    for (const method of ["GET", "DELETE"]) assert.equal(await send(put, body, method), mismatch);
  });

  test("is not good after 15 minutes", async (t) => {
    const now = Date.now();
    t.mock.timers.enable({ apis: ["Date"], now: now - 16 * 60_000 });
    const { body, digest, put } = await signed();
    t.mock.timers.setTime(now);
    assert.equal(await send(put, body), "403 RequestTimeTooSkewed");
    assert.equal(await has(digest), false);
  });
});

const withHeaders = (
  { url, headers }: SignedRequest,
  more: Record<string, string>,
): SignedRequest => ({ url, headers: { ...headers, ...more } });
