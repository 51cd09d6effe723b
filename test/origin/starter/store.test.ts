/**
 * The starter set from the machine's own archive: prepared, built, and run from the store alone.
 */
import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { prepareStarter } from "../../../origin/starter/index.ts";
import { unavailable } from "../../harness/available.ts";
import { makeRepository } from "../../harness/git-repository.ts";
import { OPENSSL, startWebServer } from "../../harness/https-server.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { build, NIX_ENV, runAlone } from "./store-alone.ts";

const NEEDS = [
  OPENSSL,
  { command: "nix-build", debian: "nix-bin", purpose: "builds packages" },
  { command: "git", debian: "git", purpose: "makes a repository" },
];
const skip =
  process.arch === "x64"
    ? await unavailable(NEEDS, { root: true })
    : "builds amd64 programs and runs them";
const SYSTEMS = ["x86_64-linux", "aarch64-linux"] as const;
const BASE = ["bashInteractive", "coreutils", "cacert", "iana-etc"];
const MORE = [
  "moreutils",
  "nano",
  "git",
  "curl",
  "python3",
  "python3Packages.requests",
  "nodejs",
  "ImageMagick",
  "_7zz",
  "xorg.xauth",
  "zsh",
  "figlet",
];
/** elf(5): e_machine. */
const EM_AARCH64 = 183;

async function contents(dir: string): Promise<Record<string, string>> {
  const entries = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) =>
    entry.isFile(),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(
    await Promise.all(
      paths.map(async (path) => [path.slice(dir.length), await readFile(path, "utf8")]),
    ),
  );
}

describe("the starter set", { skip }, () => {
  let work: string;
  let dir: string;
  let paths: Record<string, string>;
  const logged: string[] = [];
  const prepare = (name: string) =>
    prepareStarter({
      stateDir: join(work, name),
      systems: SYSTEMS,
      log: (line) => logged.push(line),
    });
  const run = async (
    name: string,
    attributes: string[],
    script: string,
    env?: Record<string, string>,
  ): Promise<string> =>
    runAlone(
      join(work, name),
      [...attributes, ...BASE].map((attribute) => paths[attribute] ?? ""),
      script,
      env,
    );

  before(async () => {
    work = await tempDir("starter");
    ({ dir } = await prepare("one"));
    const attributes = [...BASE, ...MORE];
    const built = await build(dir, attributes);
    paths = Object.fromEntries(attributes.map((attribute, i) => [attribute, built[i] ?? ""]));
  });
  after(() => removeTree(work));

  test("is the same from another state, twice at once, and names neither state nor mirror", async () => {
    const others = await Promise.all([prepare("two"), prepare("two")]);
    assert.equal(others[0].dir, others[1].dir);
    const { stdout: uris } = await execa("apt-get", [
      "indextargets",
      "--no-release-info",
      "--format",
      "$(REPO_URI)",
      "Created-By: Packages",
    ]);
    const hosts = [
      ...new Set(uris.split("\n").map((uri) => uri.replace(/^.*:\/\//, "").split("/")[0] ?? "")),
    ];
    assert.ok(hosts.length > 0 && hosts.every((host) => host !== ""), "apt has a mirror");
    const [first, second] = [await contents(dir), await contents(others[0].dir)];
    assert.deepEqual(Object.keys(second), Object.keys(first));
    for (const [path, text] of Object.entries(first)) {
      assert.ok(second[path] === text, `${path} differs`);
      assert.ok(
        !text.includes(work) && hosts.every((host) => !text.includes(host)),
        `${path} names this machine or its mirror`,
      );
    }
  });

  test("is not made again while nothing changes", async () => {
    const lines = logged.length;
    const before = (await stat(dir)).ino;
    assert.equal((await prepare("one")).dir, dir);
    assert.equal((await stat(dir)).ino, before);
    assert.deepEqual(logged.slice(lines), []);
  });

  test("derivations name neither this directory nor a mirror", async () => {
    const { stdout: derivation } = await execa("nix-instantiate", [dir, "-A", "hello"], {
      env: NIX_ENV,
    });
    const { stdout: all } = await execa("nix-store", ["--query", "--requisites", derivation], {
      env: NIX_ENV,
    });
    for (const path of all.split("\n").filter((name) => name.endsWith(".drv"))) {
      const text = await readFile(path, "utf8");
      assert.ok(!text.includes(work) && !text.includes("://"), path);
    }
  });

  test("builds to the same bytes again", async () => {
    const attributes = ["hello", "git", "ImageMagick", "zsh", "bashInteractive"].flatMap(
      (attribute) => ["-A", attribute],
    );
    await build(dir, ["hello"]);
    await execa("nix-build", [dir, "--no-out-link", "--check", ...attributes], { env: NIX_ENV });
  });

  test("python finds its own modules and the profile's, and those that these need", async () => {
    const script = `python3 -c '
import ssl, sqlite3, ctypes, requests, locale
locale = locale.setlocale(locale.LC_ALL, "C.UTF-8")
print(sqlite3.sqlite_version > "3", requests.get.__name__, locale)
'`;
    assert.equal(
      await run("python", ["python3", "python3Packages.requests"], script),
      "True get C.UTF-8",
    );
  });

  test("git clones and curl fetches over TLS, by the certificates that SSL_CERT_FILE names", async () => {
    const served = join(work, "served");
    await execa("mkdir", [served]);
    const commit = await makeRepository(served, "snow", { flake: "six arms\n" });
    const server = await startWebServer(served, join(work, "keys"));
    try {
      const authority = await readFile(server.authority, "utf8");
      const trust = `printf '%s' '${authority}' >/tmp/ca.crt; export SSL_CERT_FILE=/tmp/ca.crt`;
      const output = await run(
        "git",
        ["git", "curl"],
        `${trust}
git clone -q ${server.https}/snow.git /tmp/snow; git -C /tmp/snow rev-parse HEAD
curl -sf ${server.https}/snow.git/HEAD`,
      );
      assert.equal(output, `${commit}\nref: refs/heads/main`);
      await assert.rejects(
        run(
          "untrusting",
          ["git", "curl"],
          `SSL_CERT_FILE=/etc/ssl/certs/ca-bundle.crt curl -sf ${server.https}/snow.git/HEAD`,
        ),
      );
    } finally {
      await server.close();
    }
  });

  const programs: [attributes: string[], script: string, expected: RegExp][] = [
    [
      ["python3"],
      "python3 -m venv --without-pip /tmp/v; /tmp/v/bin/python -c 'import sys, ssl; print(sys.prefix)'",
      /^\/tmp\/v$/,
    ],
    [
      ["nodejs"],
      `node -p 'require("path").join(typeof fetch, "snow")'
      echo 'import fs from "node:fs"; console.log(typeof fs)' >/tmp/x.mjs; node /tmp/x.mjs`,
      /^function\/snow\nobject$/,
    ],
    [["moreutils"], "echo snow | ts %% | sponge", /^% snow$/],
    [["nano"], "nano --version", /GNU nano/],
    [
      ["ImageMagick"],
      "convert -size 2x2 xc:white /tmp/x.png; identify -format '%m %w' /tmp/x.png",
      /^PNG 2$/,
    ],
    [
      ["_7zz"],
      "echo snow >/tmp/x; 7zz a /tmp/x.7z /tmp/x >/dev/null; 7zz t /tmp/x.7z",
      /Everything is Ok/,
    ],
    [["xorg.xauth"], "xauth version", /^\d/m],
    [
      ["zsh"],
      `zsh -c 'zmodload zsh/zle zsh/pcre; autoload -Uz compinit; compinit -D -u
      print $+functions[_main_complete]'`,
      /^1$/,
    ],
    [["figlet"], "figlet snow", /___/],
    [
      [],
      "ls /etc/ssl/certs/ca-bundle.crt /etc/protocols /etc/services; id -un; sh -c 'echo $0'",
      /services\n.*bundle.crt\nroot\nsh$/,
    ],
  ];
  for (const [attributes, script, expected] of programs) {
    test(`${attributes.join(", ") || "the base"} runs from the store alone`, async () => {
      assert.match(await run(`run-${attributes.join("-")}`, attributes, script), expected);
    });
  }

  test("another output is there for the asking, and not in the package", async () => {
    const [manual = ""] = await build(dir, ["curl.man"]);
    assert.ok((await stat(join(manual, "share/man/man1/curl.1.gz"))).isFile());
    await assert.rejects(stat(join(paths["curl"] ?? "", "share/man")));
  });

  test("arm64 is built here too", async () => {
    const [hello = ""] = await build(dir, ["hello"], "aarch64-linux");
    const program = await readFile(join(hello, "bin/hello"));
    assert.equal(program.readUInt16LE(18), EM_AARCH64);
    const { stdout: closure } = await execa("nix-store", ["--query", "--requisites", hello], {
      env: NIX_ENV,
    });
    const glibc = closure.split("\n").find((path) => /-glibc-/.test(path)) ?? "no glibc";
    assert.ok(program.includes(`${glibc}/lib/ld-linux-aarch64.so.1`));
  });
});
