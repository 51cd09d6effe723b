/** Aliases: short names for long lists of packages, made and pulled, against the real Worker. */
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { hashPassword } from "../../../edge/contract/account.ts";
import { type AliasAnswer, aliasKey } from "../../../edge/contract/alias.ts";
import { MAX_ALIAS_PACKAGES } from "../../../edge/contract/name-rules.ts";
import { aliasPath } from "../../../edge/contract/keys.ts";
import {
  type Answer,
  errorsOf,
  imagesOf,
  putBase,
  putPackage,
  putShell,
  putTag,
  type RequestHeaders,
  REVISION,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";

const MANY = Array.from({ length: 100 }, (_, n) => `package-${n}`);
const TOKEN_KEY = "0123456789abcdef0123456789abcdef";
const PASSWORD = "correct horse battery";

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge({ PACKAGES_DENY: "gcc*", CLIENT_ADDRESS_HEADER: "X-Client" });
  await putBase(firn.bucket);
  await putShell(firn.bucket);
  for (const name of ["git", "curl"]) await putPackage(firn.bucket, { name });
  for (const name of MANY) await putPackage(firn.bucket, { name, levels: [[name]] });
  await putTag(firn.bucket, "latest", REVISION);
});
after(() => firn?.stop());

function post(edge: TestEdge, body: string, headers: RequestHeaders = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = `${edge.url}/api/aliases`;
    const request = httpRequest(url, { method: "POST", headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks) });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}
const basic = (user: string, password = PASSWORD) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});
const aliasOf = ({ status, body }: Answer): AliasAnswer => {
  assert.ok(status === 200 || status === 201, String(body));
  return JSON.parse(String(body)) as AliasAnswer;
};
const make = async (list: unknown): Promise<AliasAnswer> =>
  aliasOf(await post(firn, JSON.stringify(list)));
const pull = (name: string): Promise<Answer> =>
  send("GET", `${firn.url}/v2/${name}/manifests/latest`);
const digestOf = ({ headers }: Answer): unknown => headers["docker-content-digest"];

describe("an alias", () => {
  test("is made once, of the packages whatever their order: 201, then 200", async () => {
    const first = await post(firn, JSON.stringify(["git", "shell", "curl"]));
    assert.equal(first.status, 201);
    const alias = aliasOf(first);
    const { host } = new URL(firn.url);
    const key = await aliasKey({ packages: ["curl", "git"], shell: true });
    assert.deepEqual(alias, {
      key,
      name: `x/${key}`,
      packages: ["curl", "git"],
      shell: true,
      pull: `docker pull ${host}/x/${key}`,
    });
    for (const same of [
      ["curl", "git", "shell"],
      ["curl/git", "git", "shell/shell"],
      "shell/git/curl",
      [`x/${key}`],
      `x/${key}/git`,
    ]) {
      const again = await post(firn, JSON.stringify(same));
      assert.equal(again.status, 200, String(again.body));
      assert.deepEqual(aliasOf(again), alias);
    }
    const shown = await send("GET", `${firn.url}/api/aliases/${key}`);
    assert.deepEqual(aliasOf(shown), alias);
  });

  test("is the image of its packages, with the same digest, label and record", async () => {
    const { name } = await make(["shell", "git", "curl"]);
    const [byAlias, byName] = [await pull(name), await pull("shell/curl/git")];
    assert.equal(byAlias.status, 200, String(byAlias.body));
    assert.equal(digestOf(byAlias), digestOf(byName));
    assert.match(String(byAlias.body), /"dev\.firn\.packages":"[^"]*curl[^"]*git/);
    assert.equal((await imagesOf(firn.bucket, "shell/curl/git")).length, 1);
    const path = `/v2/${name}`;
    const digest = String(digestOf(byAlias));
    assert.equal((await send("GET", `${firn.url}${path}/manifests/${digest}`)).status, 200);
    const { config } = JSON.parse(String(byAlias.body)) as { config: { digest: string } };
    assert.equal((await send("GET", `${firn.url}${path}/blobs/${config.digest}`)).status, 200);
    const list = await send("GET", `${firn.url}${path}/tags/list`);
    assert.deepEqual(JSON.parse(String(list.body)), { name, tags: ["latest"] });
  });

  test("stands beside other packages, other aliases and a platform", async () => {
    const git = await make("git");
    const curl = await make("curl");
    const both = digestOf(await pull("curl/git"));
    for (const name of [`${git.name}/curl`, `curl/${git.name}`, `${git.name}/${curl.name}`])
      assert.equal(digestOf(await pull(name)), both, name);
    assert.equal(
      digestOf(await pull(`amd64/${git.name}/curl`)),
      digestOf(await pull("amd64/curl/git")),
    );
    const arm = await make(["arm64", "git"]);
    assert.deepEqual([arm.key, arm.name], [git.key, `arm64/${git.name}`]);
    const refused = await pull(arm.name);
    assert.equal(refused.status, 503, String(refused.body));
    assert.match(errorsOf(refused)[0]?.message ?? "", /aarch64-linux.*building git/);
  });

  test("of a hundred packages is an image, whose list has more than 255 characters", async () => {
    const { name, packages } = await make(MANY);
    assert.ok(packages.join("/").length > 1_000);
    const answer = await pull(name);
    assert.equal(answer.status, 200, String(answer.body));
    const { layers } = JSON.parse(String(answer.body)) as { layers: unknown[] };
    assert.ok(layers.length > 100);
    assert.equal((await pull(MANY.join("/"))).status, 400, "by their names they are too many");
  });

  test("is what people are told of: its packages, in errors as in the log of demand", async () => {
    const { name } = await make(["git", "hello"]);
    const answer = await pull(name);
    assert.equal(answer.status, 503);
    assert.match(errorsOf(answer)[0]?.message ?? "", /building hello/);
  });

  test("that nobody has made: 404 that says how to", async () => {
    const key = "0".repeat(40);
    for (const path of [
      `/v2/x/${key}/manifests/latest`,
      `/v2/x/${key}/tags/list`,
      `/v2/git/x/${key}/blobs/sha256:${"0".repeat(64)}`,
    ]) {
      const answer = await send("GET", firn.url + path);
      assert.equal(answer.status, 404);
      assert.match(errorsOf(answer)[0]?.message ?? "", /no alias x\/0{40}.*POST \/api\/aliases/);
    }
    assert.equal((await send("GET", `${firn.url}/api/aliases/${key}`)).status, 404);
    assert.equal((await send("GET", `${firn.url}/api/aliases/..%2f..%2ftags`)).status, 404);
  });

  test("stored as another list than its key says is no alias, until it is made again", async () => {
    const list = { packages: ["curl"], shell: true };
    const key = await aliasKey(list);
    await firn.bucket.put(aliasPath(key), JSON.stringify({ packages: ["git"], shell: true }), {
      contentType: "application/json",
      ifAbsent: false,
    });
    assert.equal((await pull(`x/${key}`)).status, 404);
    assert.equal((await make(["curl", "shell"])).key, key);
    assert.equal(digestOf(await pull(`x/${key}`)), digestOf(await pull("shell/curl")));
  });

  test("a package x is a package still", async () => {
    await putPackage(firn.bucket, { name: "x" });
    for (const name of ["x", "x/git", "git/x"]) assert.equal((await pull(name)).status, 200, name);
  });
});

describe("what no alias is made of", () => {
  const table: [what: string, body: string, status: number, message: RegExp][] = [
    ["nothing", "", 400, /JSON list of packages/],
    ["no JSON", "git, curl", 400, /JSON list of packages/],
    ["an empty list", "[]", 400, /the list contains no package/],
    ["an object", '{"packages":["git"]}', 400, /JSON list of packages/],
    ["numbers", "[1]", 400, /JSON list of packages/],
    ["a name that is none", '["git","Curl"]', 400, /has capitals/],
    ["a name of 256 characters", `["${"a".repeat(256)}"]`, 400, /256 characters; the most is 255/],
    ["options, paths and code", '["--upload-pack=x","../..","$(id)"]', 400, /not valid/],
    ["a platform alone", '["arm64"]', 400, /no package/],
    ["both platforms", '["arm64","amd64","git"]', 400, /both amd64 and arm64/],
    ["what the policy denies", '["git","gcc13"]', 403, /policy denies gcc\*/],
    [
      "too many packages",
      JSON.stringify(Array.from({ length: MAX_ALIAS_PACKAGES + 1 }, (_, n) => `p${n}`)),
      400,
      /113 packages; the most is 112/,
    ],
    ["a list without end", JSON.stringify("git/".repeat(20_000)), 413, /65536 bytes/],
    ["an alias that there is not", `["x/${"0".repeat(40)}"]`, 404, /no alias/],
  ];
  for (const [what, body, status, message] of table)
    test(`${what}: ${status}`, async () => {
      const answer = await post(firn, body);
      assert.equal(answer.status, status, String(answer.body));
      assert.match(errorsOf(answer)[0]?.message ?? "", message);
    });

  test("the most packages are taken, twice each", async () => {
    const list = Array.from({ length: MAX_ALIAS_PACKAGES }, (_, n) => `p${n}`);
    assert.equal((await make([...list, ...list])).packages.length, MAX_ALIAS_PACKAGES);
  });

  test("two aliases that are too many together", async () => {
    const [a, b] = [await make(MANY), await make(Array.from({ length: 20 }, (_, n) => `q${n}`))];
    const answer = await pull(`${a.name}/${b.name}`);
    assert.equal(answer.status, 400);
    assert.match(errorsOf(answer)[0]?.message ?? "", /120 packages; the most is 112/);
  });
});

test("new aliases count as new images, known ones do not", async () => {
  const limited = await startTestEdge({
    CLIENT_ADDRESS_HEADER: "X-Client",
    LIMIT_IMAGES: "2/3600",
  });
  try {
    const client = { "X-Client": "192.0.2.1" };
    const status = async (list: string[], headers = client): Promise<number> =>
      (await post(limited, JSON.stringify(list), headers)).status;
    assert.deepEqual(
      [await status(["a"]), await status(["b"]), await status(["a"]), await status(["c"])],
      [201, 201, 200, 429],
    );
    assert.equal(await status(["c"], { "X-Client": "192.0.2.2" }), 201);
  } finally {
    await limited.stop();
  }
});

describe("accounts", () => {
  let closed: TestEdge;
  before(async () => {
    const password = await hashPassword(PASSWORD);
    closed = await startTestEdge({
      ACCESS: "private",
      TOKEN_KEY,
      ACCOUNTS: JSON.stringify({
        ci: { password },
        narrow: { password, names: ["shell/*", "x/*"], packages: { deny: ["curl"] } },
      }),
    });
    await putBase(closed.bucket);
    await putPackage(closed.bucket, { name: "git" });
    await putTag(closed.bucket, "latest", REVISION);
  });
  after(() => closed?.stop());

  test("of a private registry: by Basic credentials or a token, and nobody else", async () => {
    const body = JSON.stringify(["git"]);
    const nobody = await post(closed, body);
    assert.equal(nobody.status, 401);
    assert.match(String(nobody.headers["www-authenticate"]), /^Bearer realm=/);
    assert.equal((await post(closed, body, basic("ci", "wrong horse battery"))).status, 401);
    const made = await post(closed, body, basic("ci"));
    assert.equal(made.status, 201);
    const { key } = aliasOf(made);
    const path = `${closed.url}/api/aliases/${key}`;
    assert.equal((await send("GET", path)).status, 401);
    assert.equal((await send("GET", path, basic("ci"))).status, 200);
    const scope = `scope=repository:x/${key}:pull`;
    const answer = await send("GET", `${closed.url}/token?service=x&${scope}`, basic("ci"));
    const { token } = JSON.parse(String(answer.body)) as { token: string };
    const bearer = { authorization: `Bearer ${token}` };
    assert.equal((await send("GET", `${closed.url}/v2/x/${key}/manifests/latest`)).status, 401);
    const pulled = await send("GET", `${closed.url}/v2/x/${key}/manifests/latest`, bearer);
    assert.equal(pulled.status, 200, String(pulled.body));
  });

  test("an account's lists are about the packages: an alias is no way around them", async () => {
    for (const [list, status] of [
      [["shell", "git"], 201],
      [["git"], 403],
      [["shell", "curl"], 403],
    ] as const) {
      const answer = await post(closed, JSON.stringify(list), basic("narrow"));
      assert.equal(answer.status, status, String(answer.body));
    }
    // Another one's alias, although any x/… is among its names.
    const { key } = aliasOf(await post(closed, '["git"]', basic("ci")));
    assert.equal(
      (await send("GET", `${closed.url}/api/aliases/${key}`, basic("narrow"))).status,
      403,
    );
    const name = `x/${key}`;
    const scope = `scope=repository:${name}:pull`;
    const answer = await send("GET", `${closed.url}/token?service=x&${scope}`, basic("narrow"));
    const { token } = JSON.parse(String(answer.body)) as { token: string };
    const pulled = await send("GET", `${closed.url}/v2/${name}/manifests/latest`, {
      authorization: `Bearer ${token}`,
    });
    assert.equal(pulled.status, 403, String(pulled.body));
    assert.match(
      errorsOf(pulled)[0]?.message ?? "",
      /narrow may not pull git: it may pull images whose names match/,
    );
  });
});

test("the API of images takes aliases, too: to look at, to compare, and as what a client has", async () => {
  const [git, both] = [await make("git"), await make(["git", "curl"])];
  for (const path of [
    `/api/images/${both.name}`,
    `/api/images/curl?has=${git.name}`,
    `/api/diff?from=${git.name}&to=${both.name}:latest`,
  ]) {
    const byName = path.replace(git.name, "git").replace(both.name, "curl/git");
    const [answer, wanted] = await Promise.all(
      [path, byName].map(async (each) => {
        const { status, body } = await send("GET", firn.url + each);
        assert.equal(status, 200, `${each}: ${body}`);
        return String(body).replaceAll(git.name, "git").replaceAll(both.name, "curl/git");
      }),
    );
    assert.equal(answer, wanted);
  }
});
