/**
 * The distribution protocol of a running edge, as tables: request → status, headers, body. No
 * origin is connected: everything here comes from the edge alone.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CONNECT_PATH } from "../../../edge/contract/messages.ts";
import {
  type Answer,
  digestOf,
  errorsOf,
  putBase,
  putBlob,
  putPackage,
  putShell,
  putTag,
  type RequestHeaders,
  REVISION,
  send,
  startTestEdge,
  type TestEdge,
} from "./support.ts";

const OCI = "application/vnd.oci.image.manifest.v1+json";
const DOCKER = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const ABSENT = `sha256:${"0".repeat(64)}`;

let firn: TestEdge;
let manifest: Answer;
let digest: string;
let layer: { digest: string; size: number };
let configDigest: string;
before(async () => {
  firn = await startTestEdge();
  await putBase(firn.bucket);
  await putShell(firn.bucket);
  for (const name of ["git", "curl", "manifests", "blobs", "xorg.xev", "7zz"])
    await putPackage(firn.bucket, { name });
  await putTag(firn.bucket, "latest", REVISION);
  manifest = await get("/v2/shell/git/manifests/latest");
  assert.equal(manifest.status, 200, String(manifest.body));
  digest = String(manifest.headers["docker-content-digest"]);
  const parsed = JSON.parse(String(manifest.body)) as {
    layers: { digest: string; size: number }[];
    config: { digest: string };
  };
  layer = parsed.layers[0] as { digest: string; size: number };
  configDigest = parsed.config.digest;
});
after(() => firn?.stop());

const get = (path: string, headers: RequestHeaders = {}): Promise<Answer> =>
  send("GET", firn.url + path, headers);
const head = (path: string, headers: RequestHeaders = {}): Promise<Answer> =>
  send("HEAD", firn.url + path, headers);
const layersOf = ({ body }: Answer): string[] =>
  (JSON.parse(String(body)) as { layers: { digest: string }[] }).layers.map((each) => each.digest);
/** Everything but what differs between two connections. */
const comparable = ({ status, headers }: Answer): unknown => ({
  status,
  headers: { ...headers, date: "", connection: "" },
});

describe("base", () => {
  for (const path of ["/v2/", "/v2", "/v2/?ns=registry.example"]) {
    test(`${path} says that this is a registry`, async () => {
      const answer = await get(path);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers["docker-distribution-api-version"], "registry/2.0");
      assert.deepEqual(comparable(await head(path)), comparable(answer));
    });
  }

  test("/ tells a person how to pull, as plain text, whatever host is claimed", async () => {
    const answer = await get("/", { host: "registry.example:5000" });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert.match(String(answer.body), /docker pull registry\.example:5000\/shell\/git/);
  });
});

describe("refusals", () => {
  const long = `${"a/".repeat(64)}a`;
  const table: [string, () => string, number, string, RegExp][] = [
    ["capitals", () => "/v2/Git/manifests/latest", 400, "NAME_INVALID", /git/],
    ["an empty component", () => "/v2/shell//git/manifests/latest", 400, "NAME_INVALID", /empty/],
    [
      "a component that begins with a dot",
      () => "/v2/.git/manifests/latest",
      400,
      "NAME_INVALID",
      /\.git/,
    ],
    [
      "an encoded slash and dots",
      () => "/v2/..%2f..%2fetc/manifests/latest",
      400,
      "NAME_INVALID",
      /not valid/,
    ],
    ["a broken encoding", () => "/v2/git%/manifests/latest", 400, "NAME_INVALID", /not valid/],
    [
      "an option for git",
      () => "/v2/--upload-pack/manifests/latest",
      400,
      "NAME_INVALID",
      /not valid/,
    ],
    ["65 components", () => `/v2/${long}/manifests/latest`, 400, "NAME_INVALID", /64/],
    ["256 characters", () => `/v2/${"a".repeat(256)}/manifests/latest`, 400, "NAME_INVALID", /255/],
    ["amd64 and arm64", () => "/v2/amd64/arm64/git/manifests/latest", 400, "NAME_INVALID", /arm64/],
    [
      "a tag that begins with a dash",
      () => "/v2/git/manifests/--upload-pack=x",
      404,
      "MANIFEST_UNKNOWN",
      /not valid.*does not begin with "\." or "-"/,
    ],
    [
      "a tag of 129 characters",
      () => `/v2/git/manifests/${"t".repeat(129)}`,
      404,
      "MANIFEST_UNKNOWN",
      /128/,
    ],
    [
      "what the conformance tests call an invalid manifest",
      () => "/v2/git/manifests/.INVALID_MANIFEST_NAME",
      404,
      "MANIFEST_UNKNOWN",
      /not valid/,
    ],
    ["a short digest", () => "/v2/git/manifests/sha256:00", 400, "DIGEST_INVALID", /sha256:00/],
    [
      "another algorithm",
      () => `/v2/git/manifests/sha512:${"0".repeat(128)}`,
      400,
      "DIGEST_INVALID",
      /sha256/,
    ],
    [
      "a blob digest in capitals",
      () => `/v2/git/blobs/sha256:${"A".repeat(64)}`,
      400,
      "DIGEST_INVALID",
      /lower-case/,
    ],
    ["a blob by no digest", () => "/v2/git/blobs/latest", 400, "DIGEST_INVALID", /latest/],
    ["a bad name with a blob", () => `/v2/Git/blobs/${ABSENT}`, 400, "NAME_INVALID", /git/],
    ["an absent blob", () => `/v2/git/blobs/${ABSENT}`, 404, "BLOB_UNKNOWN", /0000/],
    ["an absent manifest", () => `/v2/git/manifests/${ABSENT}`, 404, "MANIFEST_UNKNOWN", /0000/],
    [
      "a layer asked for as a manifest",
      () => `/v2/git/manifests/${layer.digest}`,
      404,
      "MANIFEST_UNKNOWN",
      /no manifest/,
    ],
    [
      "a config asked for as a manifest",
      () => `/v2/git/manifests/${configDigest}`,
      404,
      "MANIFEST_UNKNOWN",
      /no manifest/,
    ],
    [
      "a tag that the starter set does not have",
      () => "/v2/git/manifests/nixos-24.05",
      404,
      "MANIFEST_UNKNOWN",
      /nixos-24\.05.*latest/,
    ],
    [
      "a package that needs an origin",
      () => "/v2/git/hello/manifests/latest",
      503,
      "UNAVAILABLE",
      /no origin for x86_64-linux.*hello/,
    ],
    [
      "another system that needs an origin",
      () => "/v2/arm64/git/manifests/latest",
      503,
      "UNAVAILABLE",
      /aarch64-linux/,
    ],
    ["docker's catalog", () => "/v2/_catalog?n=100", 404, "UNSUPPORTED", /no catalog.*packages/],
    ["an address that is none", () => "/v2/git/uploads", 404, "UNSUPPORTED", /nothing/],
    [
      "a URL that is too long",
      () => `/v2/git/manifests/latest?x=${"y".repeat(5_000)}`,
      414,
      "UNSUPPORTED",
      /4096/,
    ],
  ];
  for (const [what, path, status, code, message] of table) {
    test(`${what}: ${status} ${code}`, async () => {
      const answer = await get(path());
      assert.equal(answer.status, status, String(answer.body));
      assert.equal(answer.headers["content-type"], "application/json");
      const [error] = errorsOf(answer);
      assert.equal(error?.code, code);
      assert.match(error?.message ?? "", message);
      if (status === 503) assert.match(String(answer.headers["retry-after"]), /^\d+$/);

      const bare = await head(path());
      assert.equal(bare.status, status);
      assert.equal(bare.body.length, 0);
      assert.equal(bare.headers["content-length"], answer.headers["content-length"]);
      assert.match(String(bare.headers["warning"]), /^299 - "[\x20-\x7e]+"$/);
    });
  }

  for (const method of ["PUT", "POST", "PATCH", "DELETE"]) {
    for (const path of [
      "/v2/git/manifests/latest",
      "/v2/git/blobs/uploads/",
      `/v2/git/blobs/${ABSENT}`,
      "/v2/",
      "/v2/unknown-package/manifests/latest",
    ]) {
      test(`${method} ${path.slice(0, 40)}: 405 with Allow`, async () => {
        const answer = await send(method, firn.url + path);
        assert.equal(answer.status, 405);
        assert.equal(answer.headers["allow"], "GET, HEAD");
        assert.equal(errorsOf(answer)[0]?.code, "UNSUPPORTED");
      });
    }
  }

  test("a socket without a token: 401", async () => {
    const { status } = await get(CONNECT_PATH, {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
    });
    assert.equal(status, 401);
  });
});

describe("manifests", () => {
  test("by tag and by digest the same bytes, with the headers that clients check", async () => {
    assert.equal(digest, digestOf(manifest.body));
    assert.equal(
      manifest.headers["content-type"],
      (JSON.parse(String(manifest.body)) as { mediaType: string }).mediaType,
    );
    assert.equal(manifest.headers["etag"], `"${digest}"`);
    assert.equal(manifest.headers["firn-revision"], REVISION);
    assert.match(String(manifest.headers["cache-control"]), /max-age=10,/);
    const byDigest = await get(`/v2/shell/git/manifests/${digest}`);
    assert.equal(byDigest.status, 200);
    assert.deepEqual(byDigest.body, manifest.body);
    assert.equal(byDigest.headers["content-type"], manifest.headers["content-type"]);
    assert.equal(byDigest.headers["docker-content-digest"], digest);
    assert.match(String(byDigest.headers["cache-control"]), /immutable/);
  });

  test("HEAD has GET's status and headers and no body, remembered or not", async () => {
    for (const path of ["/v2/curl/manifests/latest", `/v2/git/shell/manifests/${digest}`]) {
      const first = await head(path);
      assert.equal(first.body.length, 0);
      const whole = await get(path);
      assert.deepEqual(comparable(first), comparable(whole));
      assert.equal(Number(first.headers["content-length"]), whole.body.length);
      assert.deepEqual(comparable(await head(path)), comparable(whole));
      assert.deepEqual(comparable(await get(path)), comparable(whole));
    }
  });

  const accepts: [string, RequestHeaders, string | 404][] = [
    ["nothing", {}, OCI],
    ["*/*", { accept: "*/*" }, OCI],
    ["OCI", { accept: OCI }, OCI],
    ["docker", { accept: DOCKER }, DOCKER],
    ["docker's several headers, in any order", { accept: [DOCKER, LIST, INDEX, OCI] }, OCI],
    ["docker before wildcard", { accept: `${DOCKER}, */*;q=0.1` }, DOCKER],
    ["q values", { accept: `${OCI};q=0.5, ${DOCKER};q=0.9` }, DOCKER],
    ["containerd's line", { accept: `${DOCKER}, ${LIST}, ${OCI}, ${INDEX}, */*` }, OCI],
    ["q=0", { accept: `${OCI};q=0, ${DOCKER}` }, DOCKER],
    ["only an index", { accept: INDEX }, 404],
    ["something else", { accept: "text/html" }, 404],
  ];
  for (const [what, headers, expected] of accepts) {
    test(`Accept: ${what}`, async () => {
      // Twice: the second answer comes from memory.
      for (let n = 0; n < 2; n++) {
        const answer = await get("/v2/git/manifests/latest", headers);
        if (expected === 404) {
          assert.equal(answer.status, 404);
          assert.equal(errorsOf(answer)[0]?.code, "MANIFEST_UNKNOWN");
        } else {
          assert.equal(answer.headers["content-type"], expected);
          assert.equal(
            (JSON.parse(String(answer.body)) as { mediaType: string }).mediaType,
            expected,
          );
          assert.equal(answer.headers["vary"], "Accept, User-Agent");
        }
      }
    });
  }

  test("both kinds of manifest name the same blobs, and are found by their digests", async () => {
    const [oci, docker] = await Promise.all([
      get("/v2/git/manifests/latest", { accept: OCI }),
      get("/v2/git/manifests/latest", { accept: DOCKER }),
    ]);
    assert.deepEqual(layersOf(oci), layersOf(docker));
    const again = await get(`/v2/git/manifests/${docker.headers["docker-content-digest"]}`, {
      accept: OCI,
    });
    assert.equal(again.headers["content-type"], DOCKER);
  });

  test("If-None-Match: 304 without a body, for tag and digest", async () => {
    for (const path of ["/v2/shell/git/manifests/latest", `/v2/shell/git/manifests/${digest}`]) {
      for (const value of [`"${digest}"`, `W/"${digest}"`, `"x", "${digest}"`, "*"]) {
        const answer = await get(path, { "if-none-match": value });
        assert.equal(answer.status, 304, value);
        assert.equal(answer.body.length, 0);
        assert.equal(answer.headers["etag"], `"${digest}"`);
        assert.equal(answer.headers["docker-content-digest"], digest);
      }
      assert.equal((await get(path, { "if-none-match": `"${ABSENT}"` })).status, 200);
    }
  });

  const equal: [string, string][] = [
    ["another order", "/v2/git/shell/manifests/latest"],
    ["repetition", "/v2/shell/git/git/shell/manifests/latest"],
    ["amd64 said", "/v2/shell/amd64/git/manifests/latest"],
    ["the packages of shell said", "/v2/nano/shell/git/cacert/manifests/latest"],
    ["the revision as tag", `/v2/shell/git/manifests/${REVISION}`],
    ["a mirror's query", "/v2/shell/git/manifests/latest?ns=registry.example"],
    ["an unknown query", "/v2/shell/git/manifests/latest?x=1&y"],
  ];
  for (const [what, path] of equal) {
    test(`${what}: the same image`, async () => {
      assert.equal((await get(path)).headers["docker-content-digest"], digest);
    });
  }

  test("names that hold manifests and blobs, dots and leading digits", async () => {
    for (const name of [
      "manifests",
      "blobs",
      "git/manifests",
      "blobs/manifests/git",
      "xorg.xev",
      "7zz",
    ])
      assert.equal((await get(`/v2/${name}/manifests/latest`)).status, 200, name);
    assert.equal((await get(`/v2/manifests/x/blobs/blobs/${layer.digest}`)).status, 200);
    const encoded = digest.replace(":", "%3A");
    assert.equal((await get(`/v2/shell/git/manifests/${encoded}`)).status, 200);
  });

  test("a digest is found by every name of its image, and by no other image's", async () => {
    assert.equal((await get(`/v2/git/amd64/shell/manifests/${digest}`)).status, 200);
    for (const name of ["git", "shell", "shell/curl/git", "arm64/git"])
      assert.equal((await get(`/v2/${name}/manifests/${digest}`)).status, 404, name);
  });

  test("a manifest that an origin put among the blobs is refused when it is not what it says", async () => {
    const wrongType = new TextEncoder().encode(
      JSON.stringify({ schemaVersion: 2, mediaType: "text/html" }),
    );
    const noJson = new TextEncoder().encode("<html>");
    for (const bytes of [wrongType, noJson]) {
      const { digest: planted } = await putBlob(firn.bucket, bytes, OCI);
      assert.equal((await get(`/v2/git/manifests/${planted}`)).status, 404);
    }
    const misnamed = `sha256:${"1".repeat(64)}`;
    await firn.bucket.put(`blobs/sha256/${"1".repeat(64)}`, manifest.body.toString(), {
      contentType: OCI,
      ifAbsent: true,
    });
    assert.equal((await get(`/v2/git/manifests/${misnamed}`)).status, 404);
  });

  test("40 hex digits that no tag was seen at are an unknown revision, at once", async () => {
    const answer = await get(`/v2/git/manifests/${"f".repeat(40)}`);
    assert.equal(answer.status, 404);
    assert.match(errorsOf(answer)[0]?.message ?? "", /revision f{40} is unknown: no tag/);
  });
});

describe("discovery", () => {
  test("tags/list: latest, and nothing after it", async () => {
    for (const [query, tags] of [
      ["", ["latest"]],
      ["?n=10", ["latest"]],
      ["?n=0", []],
      ["?last=latest", []],
      ["?last=a&n=1", ["latest"]],
    ] as const) {
      const answer = await get(`/v2/shell/git/tags/list${query}`);
      assert.equal(answer.status, 200);
      assert.deepEqual(JSON.parse(String(answer.body)), { name: "shell/git", tags });
      assert.equal(answer.headers["link"], undefined);
    }
  });

  test("referrers: an empty index, never 404; a bad digest is 400", async () => {
    const answer = await get(`/v2/git/referrers/${digest}?artifactType=a/b`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-type"], INDEX);
    assert.equal(answer.headers["oci-filters-applied"], "artifactType");
    assert.deepEqual(JSON.parse(String(answer.body)), {
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [],
    });
    assert.equal((await get("/v2/git/referrers/sha256:x")).status, 400);
  });
});
