/**
 * The page over HTTP: what browsers get, and clients of images do not; headers, encodings, weight.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { type Answer, putKnown, send, startTestEdge, type TestEdge } from "../registry/support.ts";

const HTML = { accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };
/** All that a first view may weigh over the wire, bytes. */
const MOST = 60_000;

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge({}, { site: true });
});
after(() => firn?.stop());
const get = (path: string, headers = {}): Promise<Answer> => send("GET", firn.url + path, headers);

describe("a browser", () => {
  for (const path of ["/", "/farm", "/i/shell/git", `/builds/${"a".repeat(64)}`])
    test(`${path}: the document, that runs nothing but its own files`, async () => {
      const { status, headers, body } = await get(path, HTML);
      assert.equal(status, 200);
      assert.equal(headers["content-type"], "text/html; charset=utf-8");
      const policy = String(headers["content-security-policy"]);
      assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self';/);
      assert.doesNotMatch(policy, /unsafe|https?:|\*/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(String(body), /<style|style=|<script(?![^>]* src="\/site\/)|\son[a-z]+=/);
      assert.doesNotMatch(String(body), /(?:src|href)="(?:https?:)?\/\//, "another host is named");
    });

  for (const [path, to] of [
    ["/v2/shell/git/manifests/latest", "/i/shell/git"],
    ["/v2/git/manifests/nixos-25.05", "/i/git?tag=nixos-25.05"],
    ["/shell/git", "/i/shell/git"],
    ["/git:nixos-25.05", "/i/git?tag=nixos-25.05"],
  ])
    test(`${path}: the page of that image`, async () => {
      const { status, headers } = await get(path ?? "", HTML);
      assert.deepEqual([status, headers.location], [302, to]);
    });

  test("by digest too, though a client got that manifest a moment ago", async () => {
    await putKnown(firn.bucket, ["git"]);
    const byTag = await get("/v2/git/manifests/latest", { accept: "*/*" });
    const path = `/v2/git/manifests/${String(byTag.headers["docker-content-digest"])}`;
    assert.equal((await get(path, { accept: "*/*" })).status, 200);
    const { status, headers } = await get(path, HTML);
    assert.deepEqual([status, headers.location], [302, "/i/git"]);
  });

  test("an address of nothing is an error as a page, not a redirect to another site", async () => {
    for (const path of ["//evil.test/x", "/UPPER/case", "/a b", "/%2f%2fevil.test"]) {
      const { status, headers } = await get(path, HTML);
      assert.equal(status, 404, path);
      assert.equal(headers.location, undefined);
      assert.match(String(headers["content-type"]), /^text\/html/, path);
    }
  });

  test("an address for programs answers a browser as it answers them", async () => {
    for (const path of ["/api/nothing", "/v2/UPPER/tags/list", "/v2/"]) {
      const { headers } = await get(path, HTML);
      assert.match(String(headers["content-type"]), /^application\/json/, path);
    }
  });
});

describe("anybody else", () => {
  test("/ is plain text", async () => {
    for (const headers of [{}, { accept: "*/*" }]) {
      const { headers: got, body } = await get("/", headers);
      assert.match(String(got["content-type"]), /^text\/plain/);
      assert.match(String(body), /docker pull/);
    }
  });
  test("/v2/…/manifests is the registry's", async () => {
    const { status, headers } = await get("/v2/UPPER/manifests/latest", { accept: "*/*" });
    assert.equal(status, 400);
    assert.match(String(headers["content-type"]), /^application\/json/);
  });
  test("HEAD has the headers of GET, and no body", async () => {
    const { status, headers, body } = await send("HEAD", firn.url, HTML);
    assert.deepEqual([status, body.length], [200, 0]);
    assert.match(String(headers["content-type"]), /^text\/html/);
  });
});

test("files are immutable, of their type, and in the encodings that a browser accepts", async () => {
  const document = String((await get("/", HTML)).body);
  const files = [...document.matchAll(/"(\/site\/[^"]+)"/g)].map(([, path = ""]) => path);
  assert.deepEqual([...new Set(files)].map((path) => path.replace(/-[0-9a-f]{8}\./, ".")).sort(), [
    "/site/app.js",
    "/site/icon.svg",
    "/site/style.css",
  ]);
  for (const path of files) {
    const plain = await get(path);
    assert.match(String(plain.headers["cache-control"]), /max-age=31536000, immutable/);
    assert.match(String(plain.headers["content-type"]), /^(text\/(javascript|css)|image\/svg)/);
    const br = await get(path, { "accept-encoding": "gzip, br" });
    assert.equal(br.headers["content-encoding"], "br");
    assert.ok(brotliDecompressSync(br.body).equals(plain.body));
    const gzip = await get(path, { "accept-encoding": "gzip" });
    assert.ok(gunzipSync(gzip.body).equals(plain.body));
  }
});

test("other names below /site are no files", async () => {
  for (const name of ["page.html", "app.js", "..%2fconfig.capnp", "app-00000000.js.br"])
    assert.equal((await get(`/site/${name}`)).status, 404, name);
});

test(`the first view weighs less than ${MOST} bytes`, async () => {
  const encoding = { "accept-encoding": "br" };
  const document = await get("/", { ...HTML, ...encoding });
  const text = String(brotliDecompressSync(document.body));
  const files = new Set([...text.matchAll(/"(\/site\/[^"]+)"/g)].map(([, path = ""]) => path));
  let weight = document.body.length;
  for (const path of files) weight += (await get(path, encoding)).body.length;
  assert.ok(weight < MOST, `${weight} bytes`);
});

test("without the page's files browsers get the plain text", async () => {
  const bare = await startTestEdge();
  try {
    const { headers } = await send("GET", bare.url, HTML);
    assert.match(String(headers["content-type"]), /^text\/plain/);
    assert.equal((await send("GET", `${bare.url}/farm`, HTML)).status, 404);
  } finally {
    await bare.stop();
  }
});
