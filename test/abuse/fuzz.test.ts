/**
 * Random input at every place where untrusted text comes in: nothing throws but the error that its
 * reader names, and the real Worker never answers 5xx where no origin is at fault.
 *
 * FUZZ_CASES sets how many cases there are in all (10,000 when it is not set), FUZZ_SEED repeats a
 * run: a failure names its seed and the smallest input that fails.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as fc from "fast-check";
import * as v from "valibot";
import {
  basicCredentials,
  bearerToken,
  imagesOfScopes,
  MAX_SCOPES,
} from "../../edge/access/credentials.ts";
import { parseAccounts } from "../../edge/access/accounts.ts";
import { clientKey, readLimits } from "../../edge/access/limits.ts";
import { verifyToken } from "../../edge/access/token.ts";
import { globFault, globMatches } from "../../edge/contract/globs.ts";
import { InvalidName, parseImageName } from "../../edge/contract/names.ts";
import { ImageRecordSchema, PackageRecordSchema } from "../../edge/contract/records.ts";
import { TAR_BLOCK, tarHeader } from "../../edge/contract/tar.ts";
import { readMessage } from "../../edge/farm/read-message.ts";
import { RegistryError } from "../../edge/pull/errors.ts";
import { negotiate } from "../../edge/registry/negotiation.ts";
import { parseRange } from "../../edge/registry/range.ts";
import { requestedReference } from "../../edge/registry/request.ts";
import { residentMemory, workerdPid } from "../harness/workerd-memory.ts";
import {
  errorsOf,
  putKnown,
  send,
  startTestEdge,
  type TestEdge,
} from "../edge/registry/support.ts";

const CASES = Number(process.env["FUZZ_CASES"] ?? 10_000);
const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);
/** Requests to the real Worker cost a hundred times what a call does. */
const REQUESTS = Math.ceil(CASES / 10);
/** Readers below, which share the rest of the cases. */
const READERS = 12;
const options = { seed: SEED, numRuns: Math.ceil((CASES - 2 * REQUESTS) / READERS) };

/** Untrusted text: what a grammar is made of, and what it is not. */
const words = [
  ["git", "shell", "arm64", "amd64", "latest", "sha256:", "xorg.xev", "7zz", "a__b", "a--b"],
  ["/", "//", "..", ".", "%2e%2e", "%2F", "%00", "%", "\u0000", "\\", " ", "+", "@", ":", "*"],
  ["A", "é", "\u202e", "--upload-pack=x", "ext::sh", "$(id)", "`id`", "'", '"', "<script>"],
  ["0", "a", "f"].map((hex) => hex.repeat(64)),
];
const pieces = fc.constantFrom(...words.flat());
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")),
  fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join("/")),
);
/** What may stand in a header: Node sends nothing else. */
const headerText = text.map((value) => value.replace(/[^\x20-\x7e]/g, "?"));

describe("readers of untrusted text", () => {
  test("image names: a canonical request, or InvalidName in one line", () => {
    fc.assert(
      fc.property(text, (name) => {
        try {
          const { names, requested } = parseImageName(name);
          assert.deepEqual(names, [...new Set(names)].sort());
          assert.ok(requested.every((component) => /^[a-z0-9][a-z0-9._-]*$/.test(component)));
        } catch (error) {
          if (!(error instanceof InvalidName)) throw error;
        }
      }),
      options,
    );
  });
  test("tags and digests: a reference, or a RegistryError with 404 or 400", () => {
    const hex = fc.stringMatching(/^sha(256|512):[0-9a-fA-F]{0,66}$/);
    fc.assert(
      fc.property(fc.oneof(text, hex), (reference) => {
        try {
          const found = requestedReference({ params: { reference } });
          if (found.kind === "tag") assert.match(found.tag, /^[\w][\w.-]{0,127}$/);
          else assert.match(found.digest, /^sha256:[0-9a-f]{64}$/);
        } catch (error) {
          const status = reference.includes(":") ? 400 : 404;
          if (!(error instanceof RegistryError) || error.status !== status) throw error;
        }
      }),
      options,
    );
  });
  test("what an operator writes of accounts and limits: read, or an Error that names the variable", () => {
    const variables = fc.oneof(
      text,
      fc.json(),
      fc.json().map((account) => `{"ci":${account}}`),
    );
    fc.assert(
      fc.property(variables, (value) => {
        try {
          parseAccounts(value);
          readLimits({ LIMIT_IMAGES: value });
        } catch (error) {
          assert.match(String(error), /^Error: (ACCOUNTS|LIMIT_IMAGES)/);
        }
        assert.ok((clientKey(null, value) ?? "").length < value.length + 20);
      }),
      options,
    );
  });
  test("Range: a part within the blob, the whole, or none of it", () => {
    const headers = fc.oneof(text, fc.stringMatching(/^bytes=\d{0,20}-\d{0,20}$/));
    fc.assert(
      fc.property(headers, fc.nat(2 ** 31 - 1), (header, size) => {
        const part = parseRange(header, size);
        if (typeof part === "string") return;
        assert.ok(part.offset >= 0 && part.length > 0 && part.offset + part.length <= size);
      }),
      options,
    );
  });
  test("Accept: one of the offers, or none", () => {
    const offers = ["application/vnd.oci.image.index.v1+json", "a/b"];
    const ranges = fc.constantFrom(...offers, "*/*", "a/*", ";q=0.5", ",", ";q=x", "q=", "/");
    const accept = fc.oneof(
      text,
      fc.array(ranges).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(accept, (header) => {
        const chosen = negotiate(header, offers);
        assert.ok(chosen === null || offers.includes(chosen));
      }),
      options,
    );
  });
  test("credentials and scopes: read or left out", () => {
    const base64 = text.map((value) => `Basic ${Buffer.from(value).toString("base64")}`);
    fc.assert(
      fc.property(fc.oneof(text, base64), fc.array(text, { maxLength: 40 }), (header, scopes) => {
        basicCredentials(header);
        bearerToken(header);
        assert.ok(imagesOfScopes(scopes).length <= MAX_SCOPES);
      }),
      options,
    );
  });
  test("tokens: none that we did not sign", async () => {
    const context = { key: new Uint8Array(32), audience: "a", now: Date.now() };
    const part = fc.json().map((json) => Buffer.from(json).toString("base64url"));
    const tokens = fc.oneof(
      text,
      fc.tuple(part, part, part).map((parts) => parts.join(".")),
    );
    await fc.assert(
      fc.asyncProperty(tokens, async (token) => {
        assert.equal(await verifyToken(token, context), null);
      }),
      options,
    );
  });
  test("globs: matched or refused, in time that does not explode", () => {
    const globs = fc.array(fc.constantFrom("a", "b", "*", ".", "A"), { maxLength: 300 });
    fc.assert(
      fc.property(globs, text, (parts, name) => {
        const glob = parts.join("");
        if (globFault(glob) === undefined) globMatches(glob, name);
      }),
      options,
    );
  });
  test("messages of origins: a message, a bad result, or nonsense with a reason", () => {
    const type = fc.constantFrom("hello", "done", "failed", "log", "bye", "accepted", "x");
    const shaped = fc
      .record({ type, job: fc.anything(), result: fc.anything(), lines: fc.anything() })
      .map((message) => JSON.stringify(message));
    fc.assert(
      fc.property(fc.oneof(text, fc.json(), shaped), (data) => {
        const read = readMessage(data);
        if (read.kind !== "message")
          assert.ok(read.problem.length > 0 && read.problem.length <= 500);
      }),
      options,
    );
  });
  for (const [title, schema] of [
    ["package records", PackageRecordSchema],
    ["image records", ImageRecordSchema],
  ] as const)
    test(`${title}: what is no record is not taken for one`, () => {
      fc.assert(
        fc.property(fc.anything(), (value) => {
          assert.equal(v.safeParse(schema as v.GenericSchema, value).success, false);
        }),
        options,
      );
    });
  test("tar entries: whole blocks, or a TypeError", () => {
    const paths = fc.oneof(text, fc.uint8Array({ maxLength: 400 }));
    const types = fc.constantFrom("file", "directory", "symlink");
    fc.assert(
      fc.property(paths, types, fc.double(), text, (path, type, size, linkname) => {
        try {
          const header = tarHeader({ path, type, mode: 0o644, size, linkname });
          assert.equal(header.length % TAR_BLOCK, 0);
          assert.ok(header.length >= TAR_BLOCK);
        } catch (error) {
          if (!(error instanceof TypeError)) throw error;
        }
      }),
      options,
    );
  });
});

/** Of workerd, MiB. */
const memory = async (): Promise<number> => (await residentMemory(await workerdPid())) / 1_024;

describe("the real Worker", () => {
  let firn: TestEdge;
  before(async () => {
    firn = await startTestEdge({
      BUILD_WAIT: "1",
      // A name that is valid and unknown would be asked of origins, and there are none.
      PACKAGES_ALLOW: "git curl",
      ACCOUNTS: JSON.stringify({ ci: { password: HASH } }),
      TOKEN_KEY: "0123456789abcdef0123456789abcdef",
    });
    await putKnown(firn.bucket, ["git", "curl"]);
    // Code is compiled and an image composed before anything is measured.
    for (const path of [
      "/",
      "/v2/",
      "/v2/git/manifests/latest",
      "/token",
      "/v2/x/manifests/latest",
    ])
      await send("GET", firn.url + path);
    memoryAtFirst = await memory();
  });
  after(() => firn?.stop());
  let memoryAtFirst = 0;

  const methods = fc.constantFrom("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS");
  const routes = fc.constantFrom("manifests", "blobs", "tags", "referrers", "uploads", "list", "");
  const encoded = text.map((part) => encodeURI(part.toWellFormed()).replace(/[?#]/g, "%3F"));
  const paths = fc.oneof(
    encoded.map((path) => `/${path}`),
    fc.tuple(encoded, routes, encoded).map(([name, route, end]) => `/v2/${name}/${route}/${end}`),
    fc.tuple(routes, encoded).map(([route, end]) => `/v2/git/curl/${route}/${end}`),
    encoded.map((query) => `/token?${query}`),
  );
  const headers = fc.record(
    {
      accept: headerText,
      range: headerText,
      authorization: fc.oneof(
        headerText,
        headerText.map((value) => `Bearer ${value}`),
        headerText.map((value) => `Basic ${value}`),
      ),
      "if-none-match": headerText,
      "if-range": headerText,
    },
    { requiredKeys: [] },
  );

  test("no 5xx, errors in the spec's JSON, whatever is asked", async () => {
    await fc.assert(
      fc.asyncProperty(methods, paths, headers, async (method, path, sent) => {
        const answer = await send(method, firn.url + path, sent);
        assert.ok(answer.status < 500, `${answer.status} ${String(answer.body)}`);
        const type = answer.headers["content-type"];
        if (answer.status < 400 || method === "HEAD" || type !== "application/json") return;
        if (path.startsWith("/token")) return;
        for (const { code, message } of errorsOf(answer)) {
          assert.match(code, /^[A-Z_]+$/);
          assert.doesNotMatch(message, /\n|\bat .*\.js:/, "one line, and no stack");
        }
      }),
      { seed: SEED, numRuns: REQUESTS },
    );
    assert.deepEqual(
      firn.log.filter(({ event }) => event === "request.failed"),
      [],
      "nothing is logged as a failure of ours",
    );
  });

  test("blobs by any Range: 200, 206 within the blob, or 416", async () => {
    const manifest = await send("GET", `${firn.url}/v2/git/manifests/latest`);
    assert.equal(manifest.status, 200, String(manifest.body));
    const [layer] = (JSON.parse(String(manifest.body)) as { layers: { digest: string }[] }).layers;
    const range = fc.oneof(headerText, fc.stringMatching(/^bytes=\d{0,4}-\d{0,4}$/));
    await fc.assert(
      fc.asyncProperty(range, async (header) => {
        const answer = await send("GET", `${firn.url}/v2/git/blobs/${layer?.digest}`, {
          range: header,
        });
        assert.ok([200, 206, 416].includes(answer.status), String(answer.status));
        if (answer.status === 206) {
          const [, first, last] =
            /^bytes (\d+)-(\d+)\//.exec(answer.headers["content-range"] ?? "") ?? [];
          assert.equal(answer.body.length, Number(last) - Number(first) + 1);
        }
      }),
      { seed: SEED, numRuns: REQUESTS },
    );
  });

  test("workerd's memory has stopped growing", async () => {
    const grown = (await memory()) - memoryAtFirst;
    assert.ok(memoryAtFirst > 0 && grown < MAX_GROWTH_MIB, `by ${Math.round(grown)} MiB`);
  });
});

/**
 * Most that workerd grows by, MiB, however many cases there are: V8 lets garbage lie until the
 * heaps of its isolates, the emulated bucket's among them, are full, and settles some 350 above the
 * start.
 */
const MAX_GROWTH_MIB = 512;
/** Of a password that nobody has. */
const HASH = `pbkdf2-sha256$100000$${"A".repeat(22)}$${"A".repeat(43)}`;
