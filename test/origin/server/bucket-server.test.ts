/** The directory as an S3-compatible bucket: what it keeps, what it lists, and whom it lets in. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { readdir, readlink, rm, symlink } from "node:fs/promises";
import { type IncomingMessage, request, type RequestOptions } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import * as fc from "fast-check";
import { AwsV4Signer } from "aws4fetch";
import { presign, signPut } from "../../../edge/store/s3-signed-requests.ts";
import type { S3Config } from "../../../edge/store/s3-client.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import type { BucketServer } from "../../../origin/server/bucket-server.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { CREDENTIALS, openBucket } from "./open-bucket.ts";

let logged: readonly string[];
let dir: string;
let server: BucketServer;
let config: S3Config;
before(async () => {
  dir = await tempDir("directory");
  ({ server, config, logged } = await openBucket(dir));
});
after(async () => {
  await server?.stop();
  await removeTree(dir);
  assert.deepEqual(logged, [], "nothing went wrong in the server itself");
});

const put = (key: string, text = key) =>
  s3Bucket(config).put(key, text, { contentType: "text/plain", ifAbsent: false });
const digestOf = (text: string) =>
  `sha256:${createHash("sha256").update(text).digest("hex")}` as const;
const listed = async (prefix: string, limit = 1_000, after?: string) => {
  const { objects, more } = await s3Bucket(config).list(prefix, { limit, after });
  return { keys: objects.map(({ key }) => key), more };
};

/** Status of an answer, and the code by which S3 names an error. */
const codeOf = async (answer: Response) =>
  `${answer.status} ${/<Code>(.*)<\/Code>/.exec(await answer.text())?.[1] ?? ""}`.trim();

const ask = async (range: string) => {
  const url = await presign(config, "blobs/sha256/range", 60);
  const answer = await fetch(url, { headers: { Range: range } });
  return `${answer.status} ${answer.status === 416 ? "" : await answer.text()}`.trim();
};

/** No URL has these as a component: clients resolve them (RFC 3986, section 5.2.4). */
const DOTS = /^\.\.?$/;

describe("keys", () => {
  const component = fc.oneof(
    fc.constantFrom("...", "a", "a+", "+", "%", "%2F", "a.json", "b", "ü", "a b", "-"),
    fc
      .string({ minLength: 1, maxLength: 12 })
      .filter((text) => !/[/\0]/.test(text) && !DOTS.test(text)),
    fc.integer({ min: 190, max: 420 }).map((length) => "n".repeat(length)),
    fc.integer({ min: 20, max: 50 }).map((length) => "-ü€".repeat(length)),
  );
  const keys = fc.uniqueArray(
    fc
      .array(component, { minLength: 1, maxLength: 4 })
      .map((components) => components.join("/"))
      .filter((key) => key.isWellFormed() && Buffer.byteLength(key) <= 1_000),
    { minLength: 1, maxLength: 8 },
  );

  test("whatever they hold: objects are found, and listed in the order of bytes, page by page", async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(keys, async (all) => {
        const prefix = `run-${++run}/`;
        // An object and a directory cannot have one name: no key here is the beginning of
        // another's.
        const own = all
          .map((key) => prefix + key)
          .filter((key) => !all.some((other) => `${prefix}${other}`.startsWith(`${key}/`)));
        for (const key of own) await put(key);
        for (const key of own) {
          const found = await s3Bucket(config).get(key);
          assert.equal(found && (await new Response(found.body).text()), key);
        }
        const inOrder = own.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        assert.deepEqual((await listed(prefix)).keys, inOrder);
        const pages: string[] = [];
        for (let more = true; more;) {
          const page = await listed(prefix, 2, pages.at(-1));
          pages.push(...page.keys);
          more = page.more;
        }
        assert.deepEqual(pages, inOrder);
      }),
      { numRuns: 40 },
    );
  });

  test("none leads out of the directory", async () => {
    const path = "/firn/..%2F..%2Fescaped";
    const signer = new AwsV4Signer({
      ...CREDENTIALS,
      service: "s3",
      method: "PUT",
      url: server.url + path,
      body: "x",
      headers: { "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD" },
    });
    const { headers } = await signer.sign();
    const answer = await fetch(server.url + path, { method: "PUT", body: "x", headers });
    assert.equal(answer.status, 200);
    assert.deepEqual((await readdir(join(dir, ".."))).includes("escaped"), false);
    assert.equal((await listed("../../")).keys[0], "../../escaped");
  });

  test("a prefix may end in the middle of a component", async () => {
    for (const key of ["p/ab.1", "p/ab/2", "p/abc", "p/b"]) await put(key);
    assert.deepEqual((await listed("p/ab")).keys, ["p/ab.1", "p/ab/2", "p/abc"]);
  });
});

describe("uploads that the edge signs", () => {
  const text = "the content";
  const terms = {
    key: "blobs/sha256/signed",
    digest: digestOf(text),
    size: text.length,
    contentType: "application/octet-stream",
    ifAbsent: true,
  };
  const send = async (body: string, change: Record<string, string> = {}, key = terms.key) => {
    const { url, headers } = await signPut(config, { ...terms, key });
    const { "content-length": _, ...rest } = headers;
    return fetch(url, { method: "PUT", body, headers: { ...rest, ...change } });
  };
  test("the content that was signed, once", async () => {
    assert.equal(await codeOf(await send(text)), "200");
    assert.equal(await codeOf(await send(text)), "412 PreconditionFailed");
  });

  test("no other content of that length", async () => {
    const answer = await send("The content", {}, "blobs/sha256/other");
    assert.equal(await codeOf(answer), "400 XAmzContentSHA256Mismatch");
    assert.equal(await s3Bucket(config).head("blobs/sha256/other"), null);
  });

  for (const [what, change] of [
    ["another type", { "Content-Type": "text/html" }],
    ["another hash", { "X-Amz-Content-Sha256": digestOf("The content").slice(7) }],
    ["without its condition", { "If-None-Match": '"x"' }],
    ["an earlier day", { "X-Amz-Date": "20200101T000000Z" }],
  ] as const)
    test(`not with ${what}`, async () => {
      const answer = await send(text, change, `blobs/sha256/${what}`);
      assert.equal(await codeOf(answer), "403 AccessDenied");
      assert.equal(await s3Bucket(config).head(`blobs/sha256/${what}`), null);
    });

  test("a client that hangs up in the middle leaves nothing", async () => {
    const key = "blobs/sha256/half";
    const { url, headers } = await signPut(config, { ...terms, key });
    const { hostname, port, pathname } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    socket.write(`PUT ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n`);
    socket.write(`${lines.join("\r\n")}\r\n\r\n${text.slice(0, 4)}`);
    await until("the upload has begun", async () =>
      (await readdir(join(dir, "incoming"))).length > 0 ? true : undefined,
    );
    socket.destroy();
    await until("what had come of it is removed", async () =>
      (await readdir(join(dir, "incoming"))).length === 0 ? true : undefined,
    );
    assert.equal(await s3Bucket(config).head(key), null);
  });
});

/** The answer to a request with this Host header. */
async function claiming(
  host: string,
  { body = "", headers = {}, ...options }: RequestOptions & { readonly body?: string },
): Promise<{ readonly status: number; readonly body: string }> {
  const { hostname, port } = new URL(server.url);
  const sent = { ...options, hostname, port, headers: { ...headers, host } };
  const [answer] = (await once(request(sent).end(body), "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: await text(answer) };
}

describe("who may ask", () => {
  test("a presigned URL reads its object, and nothing else", async () => {
    await put("blobs/sha256/mine", "mine");
    await put("blobs/sha256/theirs", "theirs");
    const url = await presign(config, "blobs/sha256/mine", 60);
    assert.equal(await (await fetch(url)).text(), "mine");
    assert.equal((await fetch(url.replace("mine", "theirs"))).status, 403);
    assert.equal((await fetch(url, { method: "PUT", body: "x" })).status, 403);
    assert.equal((await fetch(url.replace("Expires=60", "Expires=600"))).status, 403);
  });

  test("a presigned URL is good for its time", async () => {
    await put("blobs/sha256/late", "late");
    const url = await presign(config, "blobs/sha256/late", 0);
    assert.equal((await fetch(url)).status, 403);
  });

  test("nobody without the secret key, whatever they ask", async () => {
    const other = { ...config, secretAccessKey: "guess" };
    assert.equal((await fetch(await presign(other, "blobs/sha256/mine", 60))).status, 403);
    for (const [method, path] of [
      ["GET", "/firn/blobs/sha256/mine"],
      ["GET", "/firn?list-type=2"],
      ["PUT", "/firn/blobs/sha256/new"],
      ["DELETE", "/firn/blobs/sha256/mine"],
    ] as const)
      assert.equal((await fetch(server.url + path, { method })).status, 403, `${method} ${path}`);
    assert.notEqual(await s3Bucket(config).head("blobs/sha256/mine"), null);
  });

  describe("a signature is for one object, whatever the Host header says", () => {
    const forged = '{"revision":"of my own"}';
    const terms = {
      key: "blobs/sha256/allowed",
      digest: digestOf(forged),
      size: forged.length,
      contentType: "application/octet-stream",
      ifAbsent: true,
    };
    for (const [what, claimed] of [
      [
        "the path that was signed, and the rest as a fragment",
        (url: URL) => `${url.host}${url.pathname}${url.search}#`,
      ],
      ["the same behind credentials", (url: URL) => `a:b@${url.host}${url.pathname}${url.search}#`],
      [
        "backslashes",
        (url: URL) => `${url.host}${url.pathname.replaceAll("/", "\\")}${url.search}#`,
      ],
      [
        "a question mark",
        (url: URL) => `${url.host}${url.pathname}${url.search === "" ? "?" : `${url.search}&`}`,
      ],
    ] as const) {
      test(`${what}: nothing is stored elsewhere`, async () => {
        const { url, headers } = await signPut(config, terms);
        const { status } = await claiming(claimed(new URL(url)), {
          method: "PUT",
          path: "/firn/tags/starter/latest.json",
          headers,
          body: forged,
        });
        assert.ok([400, 403].includes(status), String(status));
        assert.equal(await s3Bucket(config).head("tags/starter/latest.json"), null);
      });
      test(`${what}: nothing else is read or listed`, async () => {
        await put("blobs/sha256/mine", "mine");
        await put("blobs/sha256/theirs", "theirs");
        const url = new URL(await presign(config, "blobs/sha256/mine", 60));
        for (const path of ["/firn/blobs/sha256/theirs", "/firn?list-type=2", "/firn/"]) {
          const { status, body } = await claiming(claimed(url), { path });
          assert.ok([400, 403].includes(status), `${path} ${status}`);
          assert.doesNotMatch(body, /theirs/);
        }
      });
    }
  });

  test("another bucket is not there", async () => {
    const url = await presign({ ...config, bucket: "other" }, "blobs/sha256/mine", 60);
    assert.equal((await fetch(url)).status, 404);
  });
});

test("ranges: 206 with the part, 416 behind the end", async () => {
  await put("blobs/sha256/range", "0123456789");
  assert.equal(await ask("bytes=2-4"), "206 234");
  assert.equal(await ask("bytes=7-"), "206 789");
  assert.equal(await ask("bytes=-2"), "206 89");
  assert.equal(await ask("bytes=10-"), "416");
  assert.equal(await ask("bytes=0-1,4-5"), "200 0123456789");
});

test("a large object comes whole to clients that read slowly, and in part", async () => {
  const contents = Buffer.alloc(3_000_001, Array.from({ length: 997 }, (_, at) => at).join(","));
  const key = "blobs/sha256/large";
  const type = { contentType: "application/octet-stream", ifAbsent: false };
  await s3Bucket(config).put(key, new Uint8Array(contents), type);
  const url = await presign(config, key, 60);
  const readSlowly = async (range?: string): Promise<Buffer> => {
    const { body } = await fetch(url, range === undefined ? {} : { headers: { Range: range } });
    const chunks: Uint8Array[] = [];
    for await (const chunk of body!) {
      chunks.push(chunk);
      await setImmediate();
    }
    return Buffer.concat(chunks);
  };
  const all = await Promise.all([
    readSlowly(),
    readSlowly(),
    readSlowly("bytes=1000000-"),
    readSlowly("bytes=7-2000006"),
  ]);
  const parts = [contents, contents, contents.subarray(1_000_000), contents.subarray(7, 2_000_007)];
  for (const [at, part] of parts.entries()) assert.ok(all[at]?.equals(part), `download ${at}`);
});

/** Sends the head of a request and a little more, and then nothing; it reads nothing either. */
const silent = async (method: string, url: string, more: string): Promise<Socket> => {
  const { hostname, port, pathname, search } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.pause();
  socket.write(`${method} ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${more}`);
  return socket;
};

/** Files below the directory that this process has open. */
async function openFiles(directory: string): Promise<string[]> {
  const fds = await readdir("/proc/self/fd");
  const paths = fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ""));
  return (await Promise.all(paths)).filter((path) => path.startsWith(directory));
}

describe("a client that falls silent", () => {
  let patient: Awaited<ReturnType<typeof openBucket>>;
  let place: string;
  before(async () => {
    place = await tempDir("silence");
    patient = await openBucket(place, { silenceMs: 1_000 });
  });
  after(async () => {
    await patient?.server.stop();
    await removeTree(place);
    assert.deepEqual(patient.logged, []);
  });

  test("in the middle of an upload is cut off, and nothing of it is kept", async () => {
    const upload = { digest: digestOf("content"), size: 7, contentType: "text/plain" };
    const { url, headers } = await signPut(patient.config, { ...upload, ifAbsent: true });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = await silent("PUT", url, `${lines.join("")}\r\ncon`);
    const directory = join(place, "incoming");
    await until("the upload has begun", async () => (await readdir(directory)).length > 0);
    await until(
      "what had come of it is removed",
      async () => (await readdir(directory)).length === 0,
    );
    socket.destroy();
  });

  test("in the middle of a download is cut off, and its file closed", async () => {
    const type = { contentType: "application/octet-stream", ifAbsent: false };
    const key = "blobs/sha256/large";
    await s3Bucket(patient.config).put(key, new Uint8Array(20_000_000), type);
    const socket = await silent("GET", await presign(patient.config, key, 60), "\r\n");
    await until("the file is open", async () => (await openFiles(place)).length > 0);
    await until("the file is closed", async () => (await openFiles(place)).length === 0);
    socket.destroy();
  });

  test("one that is not silent may take as long as it takes", async () => {
    let limit: number | undefined;
    const onRequest = (message: unknown): void => {
      limit = (message as { readonly server: { readonly requestTimeout: number } }).server
        .requestTimeout;
    };
    subscribe("http.server.request.start", onRequest);
    try {
      await s3Bucket(patient.config).head("blobs/sha256/none");
    } finally {
      unsubscribe("http.server.request.start", onRequest);
    }
    assert.equal(limit, 0, "five minutes is Node's own limit, which a large layer does not keep");
  });
});

test("what goes wrong is logged without the signature of a URL", async () => {
  const place = await tempDir("broken");
  const broken = await openBucket(place);
  try {
    await s3Bucket(broken.config).put("blobs/sha256/x", "x", {
      contentType: "text/plain",
      ifAbsent: false,
    });
    // A link that leads to itself: reading fails.
    await rm(join(place, "objects/blobs"), { recursive: true });
    await symlink("blobs", join(place, "objects/blobs"));
    const answer = await fetch(await presign(broken.config, "blobs/sha256/x", 60));
    assert.equal(answer.status, 500);
    assert.equal(broken.logged.length, 1);
    assert.match(broken.logged[0] ?? "", /GET of \/firn\/blobs\/sha256\/x: .*ELOOP/);
    assert.doesNotMatch(broken.logged[0] ?? "", /X-Amz|Signature/i);
  } finally {
    await broken.server.stop();
    await removeTree(place);
  }
});
