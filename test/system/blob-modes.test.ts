/**
 * Blobs by redirect, as real clients follow it: to URLs of the bucket signed for 5 minutes, and to
 * a public domain of the bucket.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { BucketAccess } from "../../origin/layers/index.ts";
import { unavailable } from "../harness/available.ts";
import { CLIENTS } from "../harness/clients/index.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullImage, pullManifest } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { tinySet } from "./tiny-set.ts";

const skip = await firnUnavailable();
const IMAGE = "snow/ice";

describe("blobs by redirect", { skip }, () => {
  let root: string;
  let firn: Firn;
  let domain: PublicDomain;

  /** A Firn with these redirects for the tests of a suite, and in it a test for each client. */
  const withBlobs = (mode: () => string): void => {
    before(async () => {
      root = await tempDir("modes");
      domain = await publicDomain();
      const set = await tinySet(root, 'snow = program "snow"; ice = program "ice";');
      firn = await startFirn({
        packageSet: set.spec,
        originEnv: set.originEnv,
        edgeEnv: { BLOBS: mode() },
      });
      domain.serve(firn.edge.s3);
      await pullImage(firn.url, IMAGE);
    });
    after(async () => {
      await firn?.stop();
      domain?.close();
      await removeTree(root);
    });
    for (const kind of CLIENTS) {
      test(`${kind.name} pulls`, async (context) => {
        const missing = await unavailable(kind.needs, { root: true });
        if (missing !== false) return context.skip(missing);
        const client = await kind.open();
        try {
          const before = domain.served();
          await client.pull(`${firn.host}/${IMAGE}`, "linux/amd64");
          assert.equal(await client.architecture(`${firn.host}/${IMAGE}`), "amd64");
          assert.equal(domain.served() > before, mode().startsWith("public:"));
        } finally {
          await client.close();
        }
      });
    }
  };

  describe("presigned", () => {
    withBlobs(() => "presign");
    test("the URL is valid for 5 minutes, and only with its signature", async () => {
      const url = await target(firn);
      assert.equal(url.origin, new URL(firn.edge.s3.endpoint).origin);
      assert.equal(url.searchParams.get("X-Amz-Expires"), "300");
      assert.equal((await fetch(url)).status, 200);
      url.searchParams.set("X-Amz-Signature", "0".repeat(64));
      assert.equal((await fetch(url)).status, 403);
    });
  });

  describe("public", () => {
    withBlobs(() => `public:${domain.url}`);
    test("the URL is of the bucket's own domain", async () => {
      assert.equal((await target(firn)).origin, domain.url);
    });
  });
});

/** Where the Worker sends a client for the first layer. */
async function target(started: Firn): Promise<URL> {
  const { manifest } = await pullManifest(started.url, IMAGE);
  const response = await fetch(`${started.url}/v2/${IMAGE}/blobs/${manifest.layers[0]?.digest}`, {
    redirect: "manual",
  });
  assert.equal(response.status, 307);
  return new URL(response.headers.get("location") ?? "");
}

interface PublicDomain {
  readonly url: string;
  served(): number;
  serve(bucket: BucketAccess): void;
  close(): void;
}

/** What R2 does for a bucket with a domain of its own: GET /key is the object, for everybody. */
async function publicDomain(): Promise<PublicDomain> {
  let client: S3Client | undefined;
  let name = "";
  let count = 0;
  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    const { Body, ContentLength } =
      (await client?.send(new GetObjectCommand({ Bucket: name, Key: path.slice(1) }))) ?? {};
    count++;
    response.writeHead(200, { "content-length": ContentLength });
    if (Body instanceof Readable) Body.pipe(response);
  };
  const server: Server = createServer((request, response) => {
    answer(request.url ?? "", response).catch(() => response.writeHead(404).end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    served: () => count,
    serve({ endpoint, region, bucket, accessKeyId, secretAccessKey }) {
      client?.destroy();
      client = new S3Client({
        endpoint,
        region,
        forcePathStyle: true,
        credentials: { accessKeyId, secretAccessKey },
        responseChecksumValidation: "WHEN_REQUIRED",
      });
      name = bucket;
    },
    close() {
      client?.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
}
