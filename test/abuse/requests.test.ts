/**
 * Requests as no client sends them, against the real Worker with an origin connected: none gets
 * anything that it should not, none reaches the origin, and none changes what others get.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CONNECT_PATH } from "../../edge/contract/messages.ts";
import { startOrigin, type TestOrigin } from "../edge/registry/origin.ts";
import {
  type Answer,
  errorsOf,
  putKnown,
  send,
  startTestEdge,
  type TestEdge,
} from "../edge/registry/support.ts";
import { raw, type RawRequest } from "./raw.ts";

const NAMES = {
  "": ["cacert", "curl", "git", "iana-etc", "python3Packages"],
  git: ["man", "outPath"],
  python3Packages: ["flask"],
};
const KNOWN = "/v2/git/manifests/latest";
const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

let firn: TestEdge;
let origin: TestOrigin;
let layer = "";
before(async () => {
  firn = await startTestEdge({ CLIENT_ADDRESS_HEADER: "X-Client" });
  await putKnown(firn.bucket, ["git", "curl"]);
  origin = await startOrigin(firn, { names: NAMES });
  const known = await send("GET", firn.url + KNOWN, { "X-Client": "192.0.2.1" });
  assert.equal(known.status, 200, String(known.body));
  layer = (JSON.parse(String(known.body)) as { layers: { digest: string }[] }).layers[0]!.digest;
  // The lists of names are all that the origin is ever asked for.
  for (const name of ["nonsense", "git.nonsense", "python3packages.nonsense"])
    await send("GET", `${firn.url}/v2/${name}/manifests/latest`, { "X-Client": "192.0.2.1" });
});
after(async () => {
  await origin?.stop();
  await firn?.stop();
});

const asked = (): string[] => origin.jobs.flat().map((item) => JSON.stringify(item));
const isOneLine = (text: string): void =>
  assert.doesNotMatch(text, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, "one line, and nothing that hides");

const toSource = (expected: number | RegExp): string =>
  expected instanceof RegExp ? expected.source : String(expected);
const withoutDate = (headers: ReadonlyMap<string, string>): object =>
  Object.fromEntries([...headers].filter(([name]) => name !== "date"));

describe("paths and names", () => {
  const long = "a".repeat(4_000);
  const table: readonly (readonly [what: string, path: string, status: number | RegExp])[] = [
    ["dot segments", "/v2/git/../../../etc/passwd/manifests/latest", /404|400/],
    ["encoded dot segments", "/v2/git/%2e%2e/%2e%2e/manifests/latest", /404|400/],
    ["dots behind an encoded slash", "/v2/git%2f..%2f..%2fetc/manifests/latest", 400],
    ["encoded twice", "/v2/git%252f..%252fetc/manifests/latest", 400],
    ["a backslash", "/v2/git\\..\\etc/manifests/latest", /404|400/],
    ["a NUL", "/v2/git%00/manifests/latest", 400],
    ["overlong UTF-8", "/v2/%c0%af/manifests/latest", 400],
    ["CR and LF in a name", "/v2/git%0d%0aX-Evil:%201/manifests/latest", 400],
    ["CR and LF in a tag", "/v2/git/manifests/latest%0d%0aX-Evil:%201", 400],
    ["CR and LF in a digest", "/v2/git/blobs/sha256:00%0d%0aX-Evil:%201", 400],
    ["a Cyrillic letter that looks Latin", "/v2/g%D1%96t/manifests/latest", 400],
    ["a full-width name", "/v2/%EF%BD%87%EF%BD%89%EF%BD%94/manifests/latest", 400],
    ["a letter of no width", "/v2/gi%E2%80%8Bt/manifests/latest", 400],
    ["text that runs backwards", "/v2/%E2%80%AEtig/manifests/latest", 400],
    ["the Kelvin sign for a k", "/v2/%E2%84%AA/manifests/latest", 400],
    ["the name of what every object has", "/v2/constructor/manifests/latest", 404],
    ["another", "/v2/tostring/manifests/latest", 404],
    ["one with underscores", "/v2/__proto__/manifests/latest", 400],
    ["one in a nested set", "/v2/git.constructor/manifests/latest", 404],
    ["one as a tag", "/v2/git/manifests/__proto__", 404],
    ["one more as a tag", "/v2/git/manifests/constructor", 404],
    ["an option of git as a name", "/v2/--upload-pack=touch%20x/manifests/latest", 400],
    ["a transport of git as a tag", "/v2/git/manifests/ext::sh%20-c%20id", 400],
    ["Nix code as a name", "/v2/git%22%7D;builtins.exec/manifests/latest", 400],
    ["a commit of a stranger's fork", `/v2/git/manifests/${"f".repeat(40)}`, 404],
    ["a package set in a package set", "/v2/pkgscross.hello/manifests/latest", 403],
    ["the same by its case", "/v2/pkgsCross.hello/manifests/latest", 400],
    ["a list of packages without end", `/v2/${"a/".repeat(100)}a/manifests/latest`, 400],
    ["a name without end", `/v2/${"a".repeat(3_000)}/manifests/latest`, 400],
    ["a tag without end", `/v2/git/manifests/${"a".repeat(3_000)}`, 404],
    ["a path without end", `/v2/${long}/${long}/manifests/latest`, 414],
    ["a query without end", `/v2/curl/manifests/latest?x=${long}${long}`, 414],
    ["scopes without end", `/token?${"scope=repository:git:pull&".repeat(400)}`, 414],
    ["routes within routes", `/v2/${"manifests/blobs/".repeat(200)}manifests/latest`, 400],
    ["an upload", "/v2/git/blobs/uploads/", /400|404/],
    ["the catalog", "/v2/_catalog", 404],
  ];
  for (const [what, path, expected] of table)
    test(`${what}: nothing, and no origin is asked`, async () => {
      const before = asked();
      for (const method of ["GET", "HEAD"]) {
        const answer = await raw(firn, { method, path, headers: ["X-Client: 192.0.2.2"] });
        assert.match(String(answer.status), new RegExp(`^(?:${toSource(expected)})$`), answer.body);
        assert.equal(answer.headers.get("x-evil"), undefined);
        isOneLine(answer.headers.get("warning") ?? "");
        if (method === "GET" && answer.headers.get("content-type") === "application/json")
          isOneLine(
            (JSON.parse(answer.body) as { errors: { message: string }[] }).errors[0]!.message,
          );
      }
      assert.deepEqual(asked(), before);
    });

  test("a registry's own queries change nothing: ns of a mirror, and whatever else", async () => {
    const plain = await raw(firn, { path: KNOWN });
    for (const query of ["ns=evil.example", "token=x", "n=0&last=%0d%0a", "__proto__[x]=1"]) {
      const answer = await raw(firn, { path: `${KNOWN}?${query}` });
      assert.deepEqual([answer.status, answer.body], [200, plain.body]);
    }
  });
});

describe("headers", () => {
  const evil = "evil.example";
  const table: readonly (readonly [what: string, headers: readonly string[]])[] = [
    ["a claimed host of a proxy", [`X-Forwarded-Host: ${evil}`, `Forwarded: host=${evil}`]],
    ["a claimed URL of a proxy", ["X-Original-URL: /v2/", "X-Rewrite-URL: /"]],
    ["a claimed method", ["X-HTTP-Method-Override: DELETE", "X-Method-Override: PUT"]],
    ["a claimed scheme", ["X-Forwarded-Proto: javascript", "X-Forwarded-Port: 1"]],
    ["the edge's own header for the farm", ['x-firn-caller: {"name":"test"}']],
    ["a cookie", [`Cookie: session=${evil}`]],
    ["an origin of a browser", [`Origin: https://${evil}`, `Referer: https://${evil}/`]],
    ["a language", [`Accept-Language: ${evil}`, "Accept-Encoding: br, gzip;q=0, identity;q=0"]],
    ["an Accept without end", [`Accept: ${"a/b;q=0.1,".repeat(700)}*/*`]],
    ["an Accept of junk", ["Accept: ;;;,,,/;q=,*/*;q=1;q=2;=,\u0080\u00ff"]],
    ["conditions that never hold", [`If-None-Match: ${'"x",'.repeat(1_500)}"y"`, "If-Match: *"]],
    ["an old date", ["If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "If-Range: x"]],
    ["a range of a manifest", ["Range: bytes=0-0"]],
    ["credentials that nobody asked for", [`Authorization: Bearer ${"x".repeat(8_000)}`]],
    ["credentials with a colon of their own", ["Authorization: Basic Ojo6Og=="]],
  ];
  for (const [what, headers] of table)
    test(`${what}: the answer is the one that everybody gets, and so is the next`, async () => {
      const plain = await raw(firn, { path: KNOWN, headers: [`Accept: ${MANIFEST}`] });
      const withAccept = headers.some((line) => line.startsWith("Accept:"))
        ? headers
        : [...headers, `Accept: ${MANIFEST}`];
      for (const sent of [withAccept, [`Accept: ${MANIFEST}`]]) {
        const answer = await raw(firn, { path: KNOWN, headers: sent });
        assert.equal(answer.status, 200, answer.body);
        assert.equal(answer.body, plain.body);
        assert.deepEqual(withoutDate(answer.headers), withoutDate(plain.headers));
        assert.doesNotMatch(JSON.stringify([...answer.headers]), new RegExp(evil));
      }
    });

  test("an Accept that no image has is a 404 for whoever sent it, and is no other's", async () => {
    const refused = await raw(firn, { path: KNOWN, headers: ["Accept: text/html"] });
    assert.equal(refused.status, 404);
    assert.equal(refused.headers.get("cache-control"), "no-store");
    const next = await raw(firn, { path: KNOWN, headers: [`Accept: ${MANIFEST}`] });
    assert.equal(next.status, 200);
    assert.equal(next.headers.get("vary"), "Accept, User-Agent");
  });

  test("HEAD first or GET first: the same status and headers, remembered or not", async () => {
    for (const name of ["git/curl", "curl/git"]) {
      const path = `/v2/${name}/manifests/latest`;
      const methods = name === "git/curl" ? ["HEAD", "GET", "HEAD"] : ["GET", "HEAD", "GET"];
      const answers = [];
      for (const method of methods) answers.push(await raw(firn, { method, path }));
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200, 200],
      );
      for (const answer of answers)
        assert.deepEqual(withoutDate(answer.headers), withoutDate(answers[0]!.headers));
    }
  });

  test("a host that the client made up is in no answer that anybody else may get", async () => {
    for (const path of [KNOWN, "/v2/nonsense/manifests/latest", `/v2/git/blobs/${layer}`]) {
      const answer = await raw(firn, { path, headers: [`Host: ${evil}`] });
      const shared = answer.headers.get("cache-control") !== "no-store";
      const told = JSON.stringify([...answer.headers]) + answer.body;
      if (shared) assert.doesNotMatch(told, new RegExp(evil), path);
    }
  });
});

describe("ranges of a blob", () => {
  const table: readonly (readonly [what: string, range: string])[] = [
    ["a thousand parts", `bytes=${"0-0,".repeat(999)}1-1`],
    ["parts that overlap", `bytes=${"0-,".repeat(50)}0-`],
    ["numbers without end", `bytes=${"9".repeat(190)}-`],
    ["more than a number can hold", "bytes=0-18446744073709551616"],
    ["negative numbers", "bytes=--1"],
    ["a unit of its own", "lines=1-2"],
    ["a header without end", `bytes=0-${"0".repeat(8_000)}`],
  ];
  for (const [what, range] of table)
    test(`${what}: the whole, one part, or 416; never more than the blob`, async () => {
      const path = `${firn.url}/v2/git/blobs/${layer}`;
      const whole = await send("GET", path);
      const answer = await send("GET", path, { Range: range });
      assert.ok([200, 206, 416].includes(answer.status), String(answer.status));
      assert.doesNotMatch(String(answer.headers["content-type"]), /multipart/);
      if (answer.status !== 416) assert.ok(answer.body.length <= whole.body.length);
    });
});

describe("methods", () => {
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "PURGE"])
    test(`${method} writes nothing, forgets nothing, and is 405`, async () => {
      const request: RawRequest = {
        method,
        path: KNOWN,
        headers: ["Content-Length: 2", "X-Client: 192.0.2.3"],
        body: "{}",
      };
      const answer = await raw(firn, request);
      // Some methods the runtime itself does not know.
      assert.ok([405, 501].includes(answer.status), String(answer.status));
      assert.equal((await raw(firn, { path: KNOWN })).status, 200);
    });
});

describe("floods", () => {
  test("nonsense from everywhere fills no queue: a package that exists is built at once", async () => {
    const before = asked();
    const nonsense = Array.from({ length: 300 }, (_, n) =>
      send("HEAD", `${firn.url}/v2/nonsense${n}/python3packages.no${n}/manifests/latest`, {
        "X-Client": `203.0.113.${n % 250}`,
      }),
    );
    const real = send("GET", `${firn.url}/v2/python3packages.flask/manifests/latest`, {
      "X-Client": "192.0.2.77",
    });
    assert.equal((await real).status, 200);
    for (const { status } of await Promise.all(nonsense)) assert.equal(status, 404);
    const built = asked().slice(before.length);
    assert.equal(built.length, 1, built.join("\n"));
    assert.match(built[0] ?? "", /flask/);
  });

  test("connections of origins without a token meet a limit, and cost no object anything", async () => {
    const limited = await startTestEdge({
      CLIENT_ADDRESS_HEADER: "X-Client",
      LIMIT_REQUESTS: "20/3600",
    });
    try {
      const upgrade = {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
      };
      const dial = (client: string): Promise<Answer> =>
        send("GET", limited.url + CONNECT_PATH, { ...upgrade, "X-Client": client });
      const answers = await Promise.all(Array.from({ length: 25 }, () => dial("192.0.2.9")));
      const count = (status: number): number =>
        answers.filter((answer) => answer.status === status).length;
      assert.deepEqual([count(401), count(429)], [20, 5]);
      assert.equal((await dial("192.0.2.10")).status, 401, "another client is not meant");
      assert.equal((await limited.logged("origin.refused", 21)).length, 21);
    } finally {
      await limited.stop();
    }
  });

  test("a client past the proxy, without the header that tells its address, is limited too", async () => {
    const limited = await startTestEdge({
      CLIENT_ADDRESS_HEADER: "X-Client",
      LIMIT_REQUESTS: "5/3600",
    });
    try {
      const list = (): Promise<Answer> => send("GET", `${limited.url}/v2/git/tags/list`);
      for (let n = 0; n < 5; n++) assert.equal((await list()).status, 200);
      const refused = await list();
      assert.equal(refused.status, 429);
      assert.match(errorsOf(refused)[0]?.message ?? "", /5 requests in 3600 seconds/);
    } finally {
      await limited.stop();
    }
  });
});
