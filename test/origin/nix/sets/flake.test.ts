/** Flakes as package sets: their outputs, by the inputs that their lock names, and nothing else. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import { test, type TestContext } from "node:test";
import type { PackageSetOptions } from "../../../../origin/nix/package-set.ts";
import type { BuildOutcome, PackageSet } from "../../../../origin/nix/types.ts";
import { needs, open, signal, system, temporary } from "../support.ts";

const nix = { ...needs("nix-build", "git"), timeout: 120_000 };
const gitEnv = {
  PATH: process.env["PATH"] ?? "",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "t",
  GIT_AUTHOR_EMAIL: "t@t",
  GIT_COMMITTER_NAME: "t",
  GIT_COMMITTER_EMAIL: "t@t",
  GIT_COMMITTER_DATE: "2026-11-01T12:00:00Z",
  GIT_AUTHOR_DATE: "2026-11-01T12:00:00Z",
};

/**
 * A function that makes a package with a program; the salt keeps it apart from every other run's.
 */
const MK = `mk = name: text: derivation {
  inherit name system; salt = "${randomUUID()}"; PATH = "/usr/bin:/bin"; builder = "/bin/sh";
  inherit text; args = [ "-ec" "mkdir -p $out/bin; echo \\"$text\\" > $out/bin/\${name}" ];
};`;
const flake = (inputs: string, outputs: string, more = ""): string => `{
  inputs = { ${inputs} };
  outputs = inputs: let system = "${system}"; ${MK} in { ${outputs} };
  ${more}
}`;

type Files = Readonly<Record<string, string>>;
function directory(t: TestContext, files: Files): string {
  const top = realpathSync(temporary(t));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(top, path)), { recursive: true });
    writeFileSync(join(top, path), text);
  }
  return top;
}
const git = (top: string, ...args: string[]): string =>
  execFileSync("git", ["-C", top, ...args], { env: gitEnv, encoding: "utf8" }).trim();
function commit(top: string): string {
  if (!existsSync(join(top, ".git"))) git(top, "init", "-q", "-b", "main");
  git(top, "add", "--all");
  git(top, "commit", "-q", "-m", "snow");
  return git(top, "rev-parse", "HEAD");
}
/** The hash of a directory's files, as locks have it. */
function narHash(t: TestContext, top: string): string {
  const copy = join(temporary(t), "source");
  cpSync(top, copy, { recursive: true, filter: (path) => !path.includes("/.git") });
  const hex = execFileSync("nix-hash", ["--type", "sha256", copy], { encoding: "utf8" }).trim();
  return `sha256-${Buffer.from(hex, "hex").toString("base64")}`;
}
const lock = (nodes: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({ version: 7, root: "root", nodes });

const build = (set: PackageSet, revision: string, ...names: string[]): Promise<BuildOutcome[]> =>
  set.build({ revision, system, names }, { signal, log: () => {} });
/** What the packages' programs say, or why there is none. */
async function programs(
  t: TestContext,
  spec: string,
  names: readonly string[],
  options: Partial<PackageSetOptions> = {},
): Promise<string[]> {
  const set = await open(t, spec, options);
  const outcomes = await build(set, await set.resolve("latest", signal), ...names);
  return outcomes.map((outcome) =>
    outcome.kind === "built"
      ? readFileSync(join(outcome.package.storePath, "bin", outcome.package.pname), "utf8").trim()
      : `${outcome.failure.reason}: ${outcome.failure.message}`,
  );
}
const whyNot = async (
  t: TestContext,
  spec: string,
  options: Partial<PackageSetOptions> = {},
): Promise<string> => {
  const set = await open(t, spec, options);
  const revision = await set.resolve("latest", signal);
  const error = await build(set, revision, "x").then(
    ([outcome]) => (outcome?.kind === "failure" ? outcome.failure : outcome),
    (thrown: { failure?: unknown }) => thrown.failure ?? thrown,
  );
  const { reason, message } = error as { reason: string; message: string };
  return `${reason}: ${message}`;
};

/** A flake `dep` with a package and a library, in the store: no lock of it need be fetched. */
function inStore(t: TestContext, files: Files): { path: string; narHash: string } {
  const top = directory(t, files);
  const source = join(temporary(t), "source");
  cpSync(top, source, { recursive: true });
  const path = execFileSync("nix-store", ["--add", source], { encoding: "utf8" }).trim();
  return { path, narHash: narHash(t, top) };
}
const github = (hash: string) => ({
  type: "github",
  owner: "snow",
  repo: "dep",
  rev: "ab".repeat(20),
  narHash: hash,
  lastModified: 1_700_000_000,
});

test(
  "packages, below them legacyPackages, of the flake and of an input that it follows",
  nix,
  async (t) => {
    const dep = inStore(t, {
      "flake.nix": flake(
        "",
        `lib.word = "from dep"; packages.\${system}.tool = mk "tool" "dep's";`,
      ),
    });
    const data = inStore(t, { "file.txt": "some data" });
    const top = directory(t, {
      "flake.nix": flake(
        `dep.url = "github:snow/dep"; data = { url = "github:snow/data"; flake = false; };
         other = { url = "path:./other"; inputs.dep.follows = "dep"; };`,
        `packages.\${system} = {
           word = mk "word" inputs.dep.lib.word;
           data = mk "data" (builtins.readFile (inputs.data + "/file.txt"));
           both = mk "both" "packages";
           inherit (inputs.other.packages.\${system}) other;
           rev = mk "rev" "\${inputs.dep.shortRev} \${inputs.self.rev or "no rev"} \${
             inputs.dep.lastModifiedDate}";
           default = mk "default" "the default";
         };
         legacyPackages.\${system} = {
           both = throw "packages come first";
           nested.tool = mk "tool" "nested";
         };`,
      ),
      "other/flake.nix": flake(
        "dep = {};",
        `packages.\${system}.other = mk "other"
           "other, \${inputs.dep.lib.word}, \${inputs.self.sourceInfo.narHash}";`,
      ),
      "flake.lock": lock({
        root: { inputs: { dep: "dep", data: "data", other: "other" } },
        dep: { locked: github(dep.narHash) },
        data: { flake: false, locked: github(data.narHash) },
        other: { inputs: { dep: ["dep"] }, locked: { type: "path", path: "./other" }, parent: [] },
      }),
    });
    const names = ["word", "data", "both", "other", "rev", "default", "nested.tool", "tool"];
    const expected = [
      "from dep",
      "some data",
      "packages",
      /^other, from dep, sha256-/,
      "abababa no rev 20231114221320",
      "the default",
      "nested",
      "unknown: there is no package tool",
    ];
    for (const spec of [`flake:path:${top}`, `flake:${top}`]) {
      const found = await programs(t, spec, names);
      found.forEach((text, at) => {
        const want = expected[at] ?? "";
        if (typeof want === "string") assert.equal(text, want);
        else assert.match(text, want);
      });
    }
    const set = await open(t, `flake:${top}`);
    assert.deepEqual(
      await set.attributes(await set.resolve("latest", signal), system),
      "both data default nested other rev word".split(" "),
    );
    assert.deepEqual(
      await set.attributes(await set.resolve("latest", signal), "aarch64-linux"),
      [],
      "there are packages, though none for this system",
    );
  },
);

/** A flake in a subdirectory, whose package says what it knows of itself. */
const telling = (word: string): string =>
  flake(
    "",
    `packages.\${system}.x = mk "x" "${word} \${inputs.self.rev} \${
       inputs.self.lastModifiedDate} \${builtins.readFile ./word}";`,
  );

test("of a git repository, with tags, commits and days, in a subdirectory", nix, async (t) => {
  const top = directory(t, { "sub/flake.nix": telling("one"), "sub/word": "here" });
  const one = commit(top);
  git(top, "tag", "v1");
  writeFileSync(join(top, "sub/flake.nix"), telling("two"));
  const two = commit(top);
  const spec = `flake:git+file://${top}?dir=sub`;
  assert.deepEqual(await programs(t, spec, ["x"]), [`two ${two} 20261101120000 here`]);
  const set = await open(t, spec);
  assert.deepEqual(
    await Promise.all(
      ["latest", "main", "v1", one, "2026-11-01"].map((tag) => set.resolve(tag, signal)),
    ),
    [two, two, one, one, two],
  );
  const [old] = await build(set, one, "x");
  assert.ok(old?.kind === "built", JSON.stringify(old));
  assert.match(
    await whyNot(t, `flake:git+file://${top}`),
    /flake\.nix.*(No such file|does not exist|cannot be read)/,
  );
});

test("a lock is read, never made or mended", nix, async (t) => {
  const inputs = `dep.url = "github:snow/dep";`;
  const outputs = `packages.\${system}.x = mk "x" "y";`;
  const table: [what: string, files: Files, why: RegExp][] = [
    [
      "no lock",
      { "flake.nix": flake(inputs, outputs) },
      /^refused: the package set does not evaluate: flake\.lock has no input dep: run `nix flake lock`/,
    ],
    [
      "a lock from before an input was added",
      { "flake.nix": flake(inputs, outputs), "flake.lock": lock({ root: { inputs: {} } }) },
      /flake\.lock has no input dep/,
    ],
    [
      "no JSON",
      { "flake.nix": flake("", outputs), "flake.lock": "x" },
      /^refused: flake\.lock is no JSON/,
    ],
    [
      "another version",
      {
        "flake.nix": flake("", outputs),
        "flake.lock": `{"version":99,"root":"root","nodes":{"root":{}}}`,
      },
      /^refused: flake\.lock cannot be read: version/,
    ],
    [
      "no packages at all",
      { "flake.nix": flake("", "lib = {};") },
      /the flake has neither packages nor legacyPackages/,
    ],
  ];
  for (const [what, files, why] of table) {
    const top = directory(t, files);
    assert.match(await whyNot(t, `flake:${top}`), why, what);
    assert.equal(existsSync(join(top, "flake.lock")), "flake.lock" in files, what);
  }
});

test(
  "what a lock may name: only files of its hash, from where the operator lets it",
  nix,
  async (t) => {
    const dep = directory(t, { "flake.nix": flake("", `lib.word = "${randomUUID()}";`) });
    const rev = commit(dep);
    const hash = narHash(t, dep);
    const archive = execFileSync(
      "git",
      ["-C", dep, "archive", "--format=tar.gz", "--prefix=dep/", rev],
      {
        env: gitEnv,
      },
    );
    let asked = 0;
    const server = await new Promise<Server>((resolve) => {
      const made = createServer((_, response) => {
        asked += 1;
        response.end(archive);
      }).listen(0, "127.0.0.1", () => resolve(made));
    });
    t.after(() => server.close());
    const host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const tarball = { type: "tarball", url: `${host}/dep.tar.gz`, narHash: hash };
    const spec = (locked: unknown, more: object = {}): string =>
      `flake:${directory(t, {
        "flake.nix": flake("dep = {};", `packages.\${system}.x = mk "x" "it works";`),
        "flake.lock": lock({ root: { inputs: { dep: "dep" } }, dep: { locked, ...more } }),
      })}`;

    assert.match(
      await whyNot(t, spec(tarball)),
      /^refused: the input dep comes from http:\/\/127.*ALLOWED_URIS/,
    );
    assert.match(
      await whyNot(t, spec({ type: "git", url: `file://${dep}`, rev, narHash: hash })),
      /^refused: the input dep comes from file:.*ALLOWED_URIS/,
    );
    assert.equal(asked, 0, "nobody is asked before that");
    assert.deepEqual(await programs(t, spec(tarball), ["x"], { allowedUris: [host] }), [
      "it works",
    ]);
    assert.equal(asked, 1);
    // What is in the store is fetched no more, whatever its lock says of where it comes from.
    for (const locked of [tarball, { type: "git", url: `file://${dep}`, rev, narHash: hash }])
      assert.deepEqual(await programs(t, spec(locked), ["x"]), ["it works"]);
    assert.equal(asked, 1);
    const wrong = `sha256-${Buffer.alloc(32, 1).toString("base64")}`;
    const allowed = { allowedUris: [host, `file://${dep}`] };
    for (const locked of [
      { ...tarball, narHash: wrong },
      { type: "git", url: `file://${dep}`, rev, narHash: wrong },
    ])
      assert.match(
        await whyNot(t, spec(locked), allowed),
        /^refused: the files of the input dep do not have the hash that flake\.lock has/,
      );
    const table: [what: string, locked: object, why: RegExp][] = [
      ["no hash", { type: "tarball", url: `${host}/x` }, /no hash of the input dep/],
      [
        "a directory of the machine",
        { type: "path", path: "/etc", narHash: hash },
        /not fetched here \(path\)/,
      ],
      ["a directory above", { type: "path", path: "../x", narHash: hash }, /outside of the flake/],
      ["a subdirectory above", { ...tarball, dir: "../../etc" }, /outside of the flake/],
      [
        "a program of git's",
        { type: "git", url: "ext::sh -c id", rev, narHash: wrong },
        /ALLOWED_URIS/,
      ],
      [
        "no repository",
        { ...github(hash), owner: "..", repo: "x/y" },
        /locks the input dep to no repository/,
      ],
      [
        "another host",
        { ...github(wrong), host: "10.0.0.1" },
        /comes from https:\/\/10\.0\.0\.1.*ALLOWED_URIS/,
      ],
      ["a kind of its own", { type: "hg", url: host, narHash: hash }, /not fetched here \(hg\)/],
    ];
    for (const [what, locked, why] of table)
      assert.match(await whyNot(t, spec(locked), allowed), why, what);
    assert.match(
      await whyNot(t, spec({ type: "path", path: "./x" }, { parent: ["dep"] }), allowed),
      /the input dep within itself/,
    );
  },
);

test(
  "an input comes by git where the operator allows it, at a commit that is no tip",
  nix,
  async (t) => {
    const dep = directory(t, { "flake.nix": flake("", `lib.word = "${randomUUID()}";`) });
    const rev = commit(dep);
    const hash = narHash(t, dep);
    writeFileSync(join(dep, "more"), "x");
    commit(dep);
    const top = directory(t, {
      "flake.nix": flake("dep = {};", `packages.\${system}.x = mk "x" inputs.dep.lib.word;`),
      "flake.lock": lock({
        root: { inputs: { dep: "dep" } },
        dep: { locked: { type: "git", url: `file://${dep}`, rev, narHash: hash } },
      }),
    });
    const [word] = await programs(t, `flake:${top}`, ["x"], { allowedUris: [`file://${dep}`] });
    assert.match(word ?? "", /^[0-9a-f-]{36}$/);
  },
);

test("an evaluation reads the flake and its inputs, and fetches nothing", nix, async (t) => {
  const secret = directory(t, { secret: "hunter2" });
  const reads = (what: string): string =>
    `flake:${directory(t, { "flake.nix": flake("", `packages.\${system}.x = mk "x" (${what});`) })}`;
  for (const [what, why] of [
    [
      `builtins.readFile "${secret}/secret"`,
      /^refused: x: access to .* is forbidden in restricted mode/,
    ],
    [
      `builtins.readFile (builtins.fetchurl "file://${secret}/secret")`,
      /^refused: x: .*restricted/,
    ],
    [`(builtins.fetchGit "file://${secret}").rev`, /^refused: x: .*restricted/],
    [`builtins.getFlake "path:${secret}"`, /^refused: x: /],
  ] as const)
    assert.match(await whyNot(t, reads(what)), why, what);
  assert.deepEqual(
    await programs(t, reads(`"<\${builtins.getEnv "HOME"}>"`), ["x"]),
    ["<>"],
    "no environment",
  );
});
