/**
 * What a pull registry owes its clients, one numbered row for each duty of the distribution spec
 * 1.1 ("Pull", "Content Discovery") and of the token flow that goes with it, as requests against a
 * running Worker. No origin is connected: everything is answered from what the bucket has. Attacks
 * that have a precedent have a table in README.md.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { hashPassword } from "../../edge/contract/account.ts";
import { SYSTEMS } from "../../edge/contract/records.ts";
import {
  type Answer,
  digestOf,
  errorsOf,
  putBase,
  putPackage,
  putTag,
  type RequestHeaders,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../edge/registry/support.ts";

const OCI = "application/vnd.oci.image.manifest.v1+json";
const DOCKER = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX = "application/vnd.oci.image.index.v1+json";
const LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const ABSENT = `sha256:${"0".repeat(64)}`;
/** A token that names the key by which it would be checked. */
const OWN_KEY = [{ alg: "none", jku: "http://evil.example" }, { sub: "ci" }]
  .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
  .concat("x")
  .join(".");
const REPOSITORY = "git:https://git.example/packages.git";
const PASSWORD = "correct horse battery";

/**
 * Which registry is asked: open, or private with one account, or one that takes one request, or one
 * of a git repository, with tags.
 */
type Which = "open" | "closed" | "narrow" | "tagged";
const edges = new Map<Which, TestEdge>();
/** Found out from the first pull: what paths below have in braces. */
const known: Record<string, string> = {};

before(async () => {
  const ACCOUNTS = JSON.stringify({ ci: { password: await hashPassword(PASSWORD) } });
  const TOKEN_KEY = "0123456789abcdef0123456789abcdef";
  edges.set("open", await startTestEdge({ SYSTEMS: SYSTEMS.join(","), BLOBS: "presign" }));
  edges.set("closed", await startTestEdge({ ACCESS: "private", ACCOUNTS, TOKEN_KEY }));
  edges.set(
    "narrow",
    await startTestEdge({ CLIENT_ADDRESS_HEADER: "X-Client", LIMIT_REQUESTS: "1/3600" }),
  );
  edges.set("tagged", await startTestEdge({ PACKAGE_SET: REPOSITORY, TAGS: "v10, Main, b, V2" }));
  for (const { bucket } of edges.values()) {
    for (const system of SYSTEMS) {
      const scope = { ...SCOPE, system };
      await putBase(bucket, scope);
      await putPackage(bucket, { name: "git", scope });
    }
    await putTag(bucket, "latest", REVISION);
  }
  const { body, headers } = await get("/v2/git/manifests/latest", { accept: OCI });
  const { layers } = JSON.parse(String(body)) as { layers: { digest: string; size: number }[] };
  known["manifest"] = String(headers["docker-content-digest"]);
  known["layer"] = layers[0]?.digest ?? "";
  const index = await get("/v2/git/manifests/latest", { accept: INDEX });
  known["index"] = String(index.headers["docker-content-digest"]);
  // The profile layer is the edge's own, and never redirected to.
  known["own"] = layers.at(-1)?.digest ?? "";
  known["size"] = String(layers.at(-1)?.size);
});
after(() => Promise.all(Array.from(edges.values(), (edge) => edge.stop())));

const urlOf = (which: Which, path: string): string =>
  edges.get(which)?.url + path.replaceAll(/\{(\w+)\}/g, (_, name: string) => known[name] ?? "");
/** Headers with what is known in the place of names in braces. */
const filled = (headers: RequestHeaders = {}): RequestHeaders =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      typeof value === "string"
        ? value.replaceAll(/\{(\w+)\}/g, (_, key: string) => known[key] ?? "")
        : value,
    ]),
  );
const get = (path: string, headers: RequestHeaders = {}): Promise<Answer> =>
  send("GET", urlOf("open", path), headers);
const basic = `Basic ${Buffer.from(`ci:${PASSWORD}`).toString("base64")}`;

interface Duty {
  readonly what: string;
  readonly path: string;
  readonly method?: string;
  readonly which?: Which;
  readonly headers?: RequestHeaders;
  readonly status: number;
  /** Of the first error. */
  readonly code?: string;
  /** Response headers: as they are, or what they match; undefined for none. */
  readonly gives?: Readonly<Record<string, string | RegExp | undefined>>;
  readonly check?: (answer: Answer) => void | Promise<void>;
}
const json = ({ body }: Answer): unknown => JSON.parse(String(body));
const M = "/v2/git/manifests";
const B = "/v2/git/blobs";
const ok = { status: 200 } as const;

const DUTIES: Readonly<Record<string, readonly Duty[]>> = {
  "1 the base says that this is a registry, or where to sign in": [
    {
      what: "/v2/",
      path: "/v2/",
      ...ok,
      gives: { "docker-distribution-api-version": "registry/2.0" },
    },
    { what: "/v2", path: "/v2", ...ok },
    {
      what: "a private one",
      which: "closed",
      path: "/v2/",
      status: 401,
      code: "UNAUTHORIZED",
      gives: { "www-authenticate": /^Bearer realm="http:\/\/[^"]+\/token",service="[^"]+"$/ },
    },
  ],
  "2 names and tags are of the spec's grammar": [
    { what: "capitals", path: "/v2/Git/manifests/latest", status: 400, code: "NAME_INVALID" },
    {
      what: "an empty component",
      path: "/v2/git//curl/manifests/latest",
      status: 400,
      code: "NAME_INVALID",
    },
    {
      what: "a dot in front",
      path: "/v2/.git/manifests/latest",
      status: 400,
      code: "NAME_INVALID",
    },
    {
      what: "three underscores",
      path: "/v2/a___b/manifests/latest",
      status: 400,
      code: "NAME_INVALID",
    },
    // The conformance tests before 1.1 take nothing but a 404 for a tag that can be none.
    { what: "a tag with a dot in front", path: `${M}/.x`, status: 404, code: "MANIFEST_UNKNOWN" },
    {
      what: "a tag too long",
      path: `${M}/${"t".repeat(129)}`,
      status: 404,
      code: "MANIFEST_UNKNOWN",
    },
  ],
  "3 by tag and by digest the same bytes, of exactly their media type": [
    {
      what: "the index",
      path: `${M}/latest`,
      headers: { accept: INDEX },
      ...ok,
      gives: { "content-type": INDEX },
      check: async (answer) => {
        const again = await get(`${M}/{index}`);
        assert.equal(again.headers["content-type"], INDEX);
        assert.deepEqual(again.body, answer.body);
        assert.equal((json(answer) as { mediaType: string }).mediaType, INDEX);
      },
    },
    {
      what: "a manifest",
      path: `${M}/{manifest}`,
      ...ok,
      gives: { "content-type": OCI },
      check: ({ body }) => assert.equal(digestOf(body), known["manifest"]),
    },
  ],
  "4 digests of what is answered are told": [
    {
      what: "GET of a manifest",
      path: `${M}/{manifest}`,
      ...ok,
      gives: { "docker-content-digest": /^sha256:[0-9a-f]{64}$/ },
    },
    {
      what: "HEAD of a manifest",
      method: "HEAD",
      path: `${M}/latest`,
      ...ok,
      gives: { "docker-content-digest": /^sha256:/ },
    },
    {
      what: "GET of a blob",
      path: `${B}/{own}`,
      ...ok,
      gives: { "docker-content-digest": /^sha256:/ },
    },
    {
      what: "HEAD of a blob",
      method: "HEAD",
      path: `${B}/{layer}`,
      ...ok,
      gives: { "docker-content-digest": /^sha256:/ },
    },
  ],
  "5 HEAD is GET without the body": [
    [`${M}/latest`, 200] as const,
    [`${M}/{manifest}`, 200] as const,
    [`${B}/{own}`, 200] as const,
    ["/v2/", 200] as const,
    ["/v2/git/tags/list", 200] as const,
    ["/v2/git/referrers/{manifest}", 200] as const,
    [`${B}/${ABSENT}`, 404] as const,
    [`${M}/sha256:00`, 400] as const,
  ].map(([path, status]): Duty => ({
    what: path,
    path,
    status,
    check: async (answer) => {
      const head = await send("HEAD", urlOf("open", path));
      assert.equal(head.status, status);
      assert.equal(head.body.length, 0);
      assert.equal(Number(head.headers["content-length"]), answer.body.length);
      for (const name of ["content-type", "etag", "docker-content-digest", "cache-control"])
        assert.equal(head.headers[name], answer.headers[name], name);
    },
  })),
  "6 what there is not is 404, what can be no digest is 400": [
    { what: "a manifest", path: `${M}/${ABSENT}`, status: 404, code: "MANIFEST_UNKNOWN" },
    { what: "a tag", path: `${M}/no-such-tag`, status: 404, code: "MANIFEST_UNKNOWN" },
    { what: "a blob", path: `${B}/${ABSENT}`, status: 404, code: "BLOB_UNKNOWN" },
    { what: "a short digest", path: `${M}/sha256:00`, status: 400, code: "DIGEST_INVALID" },
    {
      what: "another algorithm",
      path: `${B}/md5:${"0".repeat(32)}`,
      status: 400,
      code: "DIGEST_INVALID",
    },
  ],
  "7 ranges of a blob": [
    ["bytes=0-9", 206, /^bytes 0-9\/\d+$/],
    ["bytes=10-", 206, /^bytes 10-\d+\/\d+$/],
    ["bytes=-5", 206, /^bytes \d+-\d+\/\d+$/],
    ["bytes=99999999-", 416, /^bytes \*\/\d+$/],
    ["bytes=500-0", 416, /^bytes \*\/\d+$/],
    ["lines=0-1", 200, undefined],
  ].map(([range, status, content]): Duty => ({
    what: String(range),
    path: `${B}/{own}`,
    headers: { range: String(range) },
    status: Number(status),
    gives: { "content-range": content as RegExp | undefined },
    check: async ({ body, headers }) => {
      if (status !== 206) return;
      const whole = (await get(`${B}/{own}`)).body;
      const [from = 0, to = 0] = String(headers["content-range"]).match(/\d+/g)?.map(Number) ?? [];
      assert.deepEqual(body, whole.subarray(from, to + 1));
      assert.equal(String(headers["content-range"]).split("/")[1], String(whole.length));
    },
    ...(status === 416 ? { code: "RANGE_INVALID" } : {}),
  })),
  "8 what is named by its digest never changes": [
    {
      what: "a manifest",
      path: `${M}/{manifest}`,
      ...ok,
      gives: { "cache-control": /immutable/, etag: /^"sha256:/ },
    },
    {
      what: "a blob",
      path: `${B}/{own}`,
      ...ok,
      gives: { "cache-control": /immutable/, etag: /^"sha256:/ },
    },
    {
      what: "a client that has it",
      path: `${M}/{manifest}`,
      headers: { "if-none-match": "*" },
      status: 304,
      check: ({ body }) => assert.equal(body.length, 0),
    },
    {
      what: "a client that has it, by its ETag",
      path: `${B}/{own}`,
      headers: { "if-none-match": '"{own}"' },
      status: 304,
      check: ({ body }) => assert.equal(body.length, 0),
    },
    {
      what: "a client that has something else",
      path: `${M}/{manifest}`,
      headers: { "if-none-match": `"${ABSENT}"` },
      ...ok,
    },
    { what: "a tag may", path: `${M}/latest`, ...ok, gives: { "cache-control": /max-age=10\b/ } },
  ],
  "9 Accept decides the form": [
    [{ accept: INDEX }, INDEX],
    [{ accept: LIST }, LIST],
    [{ accept: OCI }, OCI],
    [{ accept: DOCKER }, DOCKER],
    // Whoever names no index gets one manifest.
    [{}, OCI],
    [{ accept: "*/*" }, OCI],
    [{ accept: `${INDEX};q=0.1, ${LIST};q=0.9` }, LIST],
    [{ accept: [DOCKER, LIST, OCI, INDEX] }, INDEX],
  ].map(([headers, type]): Duty => ({
    what: JSON.stringify(headers),
    path: `${M}/latest`,
    headers: headers as RequestHeaders,
    ...ok,
    gives: { "content-type": String(type), vary: /Accept/ },
  })),
  "10 tags are listed, in order and by pages": [
    {
      what: "all",
      path: "/v2/git/tags/list",
      ...ok,
      gives: { link: undefined },
      check: (answer) => assert.deepEqual(json(answer), { name: "git", tags: ["latest"] }),
    },
    {
      what: "after the last",
      path: "/v2/git/tags/list?n=1&last=latest",
      ...ok,
      gives: { link: undefined },
    },
    {
      what: "none, and no Link",
      path: "/v2/git/tags/list?n=0",
      ...ok,
      gives: { link: undefined },
      check: (answer) => assert.deepEqual(json(answer), { name: "git", tags: [] }),
    },
    {
      what: "whatever their case",
      which: "tagged",
      path: "/v2/git/tags/list",
      ...ok,
      check: (answer) =>
        assert.deepEqual(json(answer), { name: "git", tags: ["b", "latest", "Main", "v10", "V2"] }),
    },
    {
      what: "a page, and where the next one is",
      which: "tagged",
      path: "/v2/git/tags/list?n=2&last=b",
      ...ok,
      gives: { link: '</v2/git/tags/list?n=2&last=Main>; rel="next"' },
      check: (answer) => assert.deepEqual(json(answer), { name: "git", tags: ["latest", "Main"] }),
    },
  ],
  "11 referrers are an index, never a 404": [
    {
      what: "of a manifest",
      path: "/v2/git/referrers/{manifest}",
      ...ok,
      gives: { "content-type": INDEX },
    },
    {
      what: "of nothing",
      path: `/v2/git/referrers/${ABSENT}`,
      ...ok,
      check: (answer) => assert.deepEqual((json(answer) as { manifests: unknown[] }).manifests, []),
    },
    {
      what: "filtered",
      path: "/v2/git/referrers/{manifest}?artifactType=a/b",
      ...ok,
      gives: { "oci-filters-applied": "artifactType" },
    },
    { what: "of no digest", path: "/v2/git/referrers/latest", status: 400, code: "DIGEST_INVALID" },
  ],
  "12 errors are the spec's JSON; a limit says when to come again": [
    {
      what: "an error",
      path: `${M}/no-such-tag`,
      status: 404,
      gives: { "content-type": "application/json" },
      check: (answer) =>
        assert.deepEqual(Object.keys(errorsOf(answer)[0] ?? {}).sort(), [
          "code",
          "detail",
          "message",
        ]),
    },
    {
      what: "within the limit",
      which: "narrow",
      path: "/v2/git/tags/list",
      headers: { "X-Client": "192.0.2.1" },
      ...ok,
    },
    {
      what: "past it",
      which: "narrow",
      path: "/v2/git/tags/list",
      headers: { "X-Client": "192.0.2.1" },
      status: 429,
      code: "TOOMANYREQUESTS",
      gives: { "retry-after": /^\d+$/ },
    },
  ],
  "13 nothing is written": ["PUT", "POST", "PATCH", "DELETE"].flatMap((method) =>
    [`${M}/latest`, `${B}/uploads/`, `${B}/${ABSENT}`].map((path): Duty => ({
      what: `${method} ${path.slice(0, 30)}`,
      method,
      path,
      status: 405,
      code: "UNSUPPORTED",
      gives: { allow: "GET, HEAD" },
    })),
  ),
  "14 a redirect carries nobody's credentials": [
    {
      what: "to a layer in the bucket",
      path: `${B}/{layer}`,
      headers: { authorization: "Bearer secret-token", cookie: "secret-cookie" },
      status: 307,
      gives: { location: /^http/ },
      check: ({ headers }) => assert.doesNotMatch(JSON.stringify(headers), /secret-(token|cookie)/),
    },
    {
      what: "descriptors name no urls",
      path: `${M}/{manifest}`,
      ...ok,
      check: ({ body }) => assert.doesNotMatch(String(body), /"urls"/),
    },
  ],
  "15 a Warning is how the registry talks to a person": [
    {
      what: "HEAD of what there is not",
      method: "HEAD",
      path: `${M}/no-such-tag`,
      status: 404,
      gives: { warning: /^299 - "[^"\\]{1,1024}"$/ },
    },
  ],
  "16 queries that are not ours are ignored": [
    {
      what: "a mirror's",
      path: `${M}/latest?ns=registry.example`,
      headers: { accept: OCI },
      ...ok,
      check: ({ headers }) => assert.equal(headers["docker-content-digest"], known["manifest"]),
    },
    { what: "whatever", path: `/v2/git/tags/list?x=1&y`, ...ok },
  ],
  "17 the token flow": [
    {
      what: "a challenge that names the image",
      which: "closed",
      path: `${M}/latest`,
      status: 401,
      code: "UNAUTHORIZED",
      gives: {
        "www-authenticate": /^Bearer realm="[^"]+",service="[^"]+",scope="repository:git:pull"$/,
      },
    },
    {
      what: "a token for it, and for nothing else",
      which: "closed",
      path: "/token?service=x&scope=repository:git:pull",
      headers: { authorization: basic },
      ...ok,
      check: async (answer) => {
        const granted = json(answer) as Record<string, string>;
        assert.deepEqual(Object.keys(granted).sort(), [
          "access_token",
          "expires_in",
          "issued_at",
          "token",
        ]);
        assert.equal(granted["token"], granted["access_token"]);
        const headers = { authorization: `Bearer ${granted["token"]}` };
        assert.equal((await send("GET", urlOf("closed", `${M}/latest`), headers)).status, 200);
        const other = await send("GET", urlOf("closed", "/v2/shell/manifests/latest"), headers);
        assert.equal(other.status, 401);
        assert.match(String(other.headers["www-authenticate"]), /error="insufficient_scope"/);
      },
    },
    {
      what: "the same for a form, as containerd sends it",
      which: "closed",
      path: "/token?service=x&scope=repository:git:pull",
      headers: { authorization: basic },
      ...ok,
      check: async () => {
        const form = {
          grant_type: "password",
          username: "ci",
          password: PASSWORD,
          service: "x",
          scope: "repository:git:pull",
        };
        const body = new URLSearchParams(form);
        const answer = await fetch(urlOf("closed", "/token"), { method: "POST", body });
        const { access_token: token } = (await answer.json()) as { access_token: string };
        const headers = { authorization: `Bearer ${token}` };
        assert.equal((await send("GET", urlOf("closed", `${M}/latest`), headers)).status, 200);
      },
    },
    {
      what: "nobody gets one here",
      which: "closed",
      path: "/token?scope=repository:git:pull",
      status: 401,
      code: "UNAUTHORIZED",
    },
    {
      what: "a token that says itself by which key it is checked",
      which: "closed",
      path: `${M}/latest`,
      headers: { authorization: `Bearer ${OWN_KEY}` },
      status: 401,
      code: "UNAUTHORIZED",
      gives: { "www-authenticate": /error="invalid_token"/ },
    },
  ],
};

for (const [duty, rows] of Object.entries(DUTIES))
  describe(duty, () => {
    for (const { what, method = "GET", which = "open", path, headers, ...wanted } of rows)
      test(what, async () => {
        const answer = await send(method, urlOf(which, path), filled(headers));
        assert.equal(answer.status, wanted.status, String(answer.body));
        if (wanted.code !== undefined) assert.equal(errorsOf(answer)[0]?.code, wanted.code);
        for (const [name, value] of Object.entries(wanted.gives ?? {})) {
          const given = answer.headers[name];
          if (value instanceof RegExp) assert.match(String(given), value, name);
          else assert.equal(given, value, name);
        }
        await wanted.check?.(answer);
      });
  });
