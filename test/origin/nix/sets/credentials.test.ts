/** Credentials in the operator's URLs: they work, and no command line, error or log shows them. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { bareUrl, withGitCredentials } from "../../../../origin/nix/sets/credentials.ts";
import { commitFiles, makeRepository } from "../../../harness/git-repository.ts";
import { needs, open, packageSet, signal, temporary } from "../support.ts";

const SECRET = "s3cr:t/p@ss";
const LOGIN = `me:${encodeURIComponent(SECRET)}@`;

describe("a URL", () => {
  const table: readonly [string, ReturnType<typeof bareUrl>][] = [
    ["https://host/set.git", { url: "https://host/set.git" }],
    ["git@host:set.git", { url: "git@host:set.git" }],
    ["file:///srv/set.git", { url: "file:///srv/set.git" }],
    ["ssh://git:pw@host/set.git", { url: "ssh://git@host/set.git" }],
    [
      `https://${LOGIN}host:1/set.git`,
      { url: "https://host:1/set.git", credentials: { user: "me", password: SECRET } },
    ],
    ["https://me@host/x", { url: "https://host/x", credentials: { user: "me" } }],
    [
      "https://token:@host/x",
      { url: "https://host/x", credentials: { user: "token", password: "" } },
    ],
  ];
  for (const [text, expected] of table)
    test(`${text.replace(LOGIN, "…@")}: what stands on a command line, and what does not`, () =>
      assert.deepEqual(bareUrl(text), expected));

  test("what git is configured with already stays", () => {
    const env = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "a.b", GIT_CONFIG_VALUE_0: "c" };
    const { GIT_CONFIG_COUNT, GIT_CONFIG_KEY_0, GIT_CONFIG_KEY_1 } = withGitCredentials(
      bareUrl("https://me:pw@host/x"),
      env,
    );
    assert.deepEqual(
      [GIT_CONFIG_COUNT, GIT_CONFIG_KEY_0, GIT_CONFIG_KEY_1],
      ["3", "a.b", "credential.https://host.helper"],
    );
  });
});

/** Serves `handle` to who knows user and password, and says how often somebody else asked. */
async function guarded(
  t: TestContext,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly host: string; refused(): number }> {
  const expected = `Basic ${Buffer.from(`me:${SECRET}`).toString("base64")}`;
  let refused = 0;
  const server = createServer((request, response) => {
    if (request.headers.authorization === expected) return handle(request, response);
    refused += 1;
    response.writeHead(401, { "www-authenticate": 'Basic realm="set"' }).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, refused: () => refused };
}

/** git's own HTTP server (a CGI program, RFC 3875) over the repositories in a directory. */
const gitHttp =
  (root: string, program: string) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    const { pathname, search } = new URL(request.url ?? "/", "http://host");
    const child = spawn(program, [], {
      env: {
        PATH: process.env["PATH"],
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
      },
    });
    request.pipe(child.stdin);
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("close", () => {
      const all = Buffer.concat(chunks);
      const end = all.indexOf("\r\n\r\n");
      for (const line of all.subarray(0, end).toString().split("\r\n")) {
        const [name = "", value = ""] = line.split(/: /, 2);
        if (name === "Status") response.statusCode = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.end(all.subarray(end + 4));
    });
  };

/**
 * Puts programs first on PATH that note their command line and do the real thing, and notes those
 * of all processes that name the host, as `ps` shows them.
 */
function watchCommandLines(
  t: TestContext,
  host: string,
  programs: readonly string[],
): () => string {
  const directory = temporary(t);
  const log = join(directory, "log");
  writeFileSync(log, "");
  const execPath = execFileSync("git", ["--exec-path"], { encoding: "utf8" }).trim();
  for (const program of programs) {
    const real = [join(execPath, program)].find(existsSync) ?? which(program);
    writeFileSync(
      join(directory, program),
      `#!/bin/sh\nprintf '%s\\n' "$0 $*" >> ${log}\n${real} "$@"\ncode=$?\nexit $code\n`,
    );
    chmodSync(join(directory, program), 0o755);
  }
  const looking = setInterval(() => {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        if (line.includes(host)) appendFileSync(log, `${line}\n`);
      } catch {
        // It has ended.
      }
  }, 20);
  const path = process.env["PATH"];
  process.env["PATH"] = `${directory}${delimiter}${path}`;
  t.after(() => {
    clearInterval(looking);
    process.env["PATH"] = path;
  });
  return () => readFileSync(log, "utf8");
}

const which = (program: string): string =>
  execFileSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim();

/** In any form in which it could be read. */
const secrets = (): readonly string[] => [
  SECRET,
  encodeURIComponent(SECRET),
  Buffer.from(`me:${SECRET}`).toString("base64"),
];
const assertNoSecret = (text: string, where: string): void => {
  for (const secret of secrets()) assert.ok(!text.includes(secret), `${where} shows the password`);
};

const backend = ((): string | undefined => {
  try {
    const path = join(
      execFileSync("git", ["--exec-path"], { encoding: "utf8" }).trim(),
      "git-http-backend",
    );
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
})();
const limits = backend
  ? { ...needs("nix-build", "git"), timeout: 120_000 }
  : { skip: "needs git-http-backend" };

test(
  "a repository that takes a login: tips and old commits, and no command line tells it",
  limits,
  async (t) => {
    const root = temporary(t);
    const first = await makeRepository(root, "set", {
      "default.nix": packageSet(`a = program "a";`),
    });
    const second = await commitFiles(root, "set", {
      "default.nix": packageSet(`b = program "b";`),
    });
    const server = await guarded(t, gitHttp(root, backend ?? ""));
    const seen = watchCommandLines(t, server.host, ["git", "git-remote-http"]);
    const stateDir = temporary(t);
    const set = await open(t, `git:http://${LOGIN}${server.host}/set.git`, { stateDir });
    assert.equal(await set.resolve("latest", signal), second);
    assert.equal(await set.resolve(second, signal), second);
    assert.equal(await set.resolve(first, signal), first);
    assert.ok(server.refused() > 0, "the server never asked for a login");
    assert.match(seen(), /git ls-remote.*http:\/\/127\.0\.0\.1/);
    assertNoSecret(seen(), "a command line");
    assertNoSecret(
      execFileSync("grep", ["-r", "-a", "-h", "", stateDir], {
        encoding: "latin1",
        maxBuffer: 2 ** 28,
      }),
      "a file of the clone",
    );
  },
);

test("a repository that is not there is named", limits, async (t) => {
  const set = await open(t, "git:file:///nowhere/set.git");
  await assert.rejects(
    set.resolve("latest", signal),
    /'\/nowhere\/set\.git' does not appear to be/,
  );
});

test("a login that is wrong is an error that does not tell it", limits, async (t) => {
  const server = await guarded(t, (_, response) => void response.end());
  const set = await open(t, `git:http://me:wr0ng-pass@${server.host}/set.git`);
  await assert.rejects(set.resolve("latest", signal), (error: Error) => {
    assert.match(error.message, /the repository cannot be read/);
    assert.doesNotMatch(JSON.stringify(error) + error.message, /wr0ng-pass/);
    return true;
  });
});

test(
  "an archive of a channel that takes a login: by a file for the owner alone",
  limits,
  async (t) => {
    const root = temporary(t);
    const revision = "1".repeat(40);
    writeFileSync(join(root, "default.nix"), packageSet(`a = program "a";`));
    const archive = execFileSync("tar", [
      "-cz",
      "-C",
      root,
      "--transform",
      "s,^,set/,",
      "default.nix",
    ]);
    const server = await guarded(t, (_, response) => void response.end(archive));
    const seen = watchCommandLines(t, server.host, ["nix-prefetch-url"]);
    const stateDir = temporary(t);
    const set = await open(t, `channel:${revision}`, {
      stateDir,
      archive: `http://${LOGIN}${server.host}/{revision}.tar.gz`,
    });
    assert.deepEqual(await set.attributes(revision, "x86_64-linux"), ["a"]);
    assert.match(seen(), /nix-prefetch-url.*http:\/\/127\.0\.0\.1/);
    assertNoSecret(seen(), "a command line");
    assert.equal(statSync(join(stateDir, "netrc")).mode & 0o777, 0o600);
  },
);
