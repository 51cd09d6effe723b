import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import {
  directoryWith,
  needs,
  open,
  packageSet,
  signal,
  summary,
  system,
  temporary,
} from "../support.ts";

const nix = { ...needs("nix-build"), timeout: 120_000 };

test("an evaluation reads its own set, and nothing else of the machine", nix, async (t) => {
  const secret = join(temporary(t), "secret");
  writeFileSync(secret, "s3cr3t");
  process.env["FIRN_TEST_SECRET"] = "s3cr3t";
  t.after(() => delete process.env["FIRN_TEST_SECRET"]);
  const directory = directoryWith(
    t,
    packageSet(`
    own = mk "own-\${builtins.readFile ./name}" "echo > $out";
    reads = mk (builtins.readFile ${secret}) "echo > $out";
    copies = mk "copies" "cat \${${secret}} > $out";
    links = mk (builtins.readFile ./link) "echo > $out";
    exists = mk (if builtins.pathExists ${secret} then "yes" else "no") "echo > $out";
    environment = mk "env-\${builtins.getEnv "FIRN_TEST_SECRET"}\${builtins.getEnv "HOME"}" "echo > $out";
    builds = mk "builds" "echo $FIRN_TEST_SECRET $HOME > $out";
  `),
  );
  writeFileSync(join(directory, "name"), "name");
  symlinkSync(secret, join(directory, "link"));
  const set = await open(t, `path:${directory}`);
  const names = ["own", "reads", "copies", "links", "exists", "environment"];
  const outcomes = await set.build(
    { revision: await set.resolve("latest", signal), system, names },
    { signal, log: () => {} },
  );
  const found = summary(outcomes);
  assert.equal(found["own"], "own");
  for (const name of ["reads", "copies", "links"])
    assert.match(found[name] ?? "", /^refused: .*(forbidden|restricted)/, name);
  assert.ok(!JSON.stringify(outcomes).includes("s3cr3t"));
  const environment = outcomes.find(
    (outcome) => outcome.kind === "built" && outcome.package.name === "environment",
  );
  assert.ok(environment?.kind === "built" && environment.package.storePath.endsWith("-env-"));
});

test("no way to fetch, to run a program or to find other Nix files leads out", nix, async (t) => {
  const server = createServer((_request, response) => void response.end("{ }"));
  let asked = 0;
  server.on("connection", () => (asked += 1)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const elsewhere = directoryWith(t, '{ secret = "s3cr3t"; }');
  process.env["NIX_PATH"] = `elsewhere=${elsewhere}`;
  t.after(() => delete process.env["NIX_PATH"]);
  const ways: Readonly<Record<string, string>> = {
    tarball: `builtins.fetchTarball "${url}/x.tar.gz"`,
    "tarball-hash": `builtins.fetchTarball { url = "${url}/x.tar.gz"; sha256 = "${"0".repeat(52)}"; }`,
    git: `(builtins.fetchGit "${url}/x.git").outPath`,
    "git-file": `(builtins.fetchGit "file://${elsewhere}").outPath`,
    mercurial: `(builtins.fetchMercurial "${url}/x").outPath`,
    tree: `(builtins.fetchTree "${url}/x.tar.gz").outPath`,
    flake: `(builtins.getFlake "${url}/x").outPath`,
    exec: `builtins.exec [ "/bin/sh" "-c" "echo 1" ]`,
    path: "(import <elsewhere>).secret",
    directory: `builtins.head (builtins.attrNames (builtins.readDir ${elsewhere}))`,
    filter: `builtins.filterSource (_: _: true) ${elsewhere}`,
    hash: `builtins.hashFile "sha256" ${elsewhere}/default.nix`,
  };
  const attributes = Object.entries(ways).map(
    ([name, way]) => `${name} = mk "x-\${toString (${way})}" "echo > $out";`,
  );
  const set = await open(t, `path:${directoryWith(t, packageSet(attributes.join("\n")))}`);
  const names = Object.keys(ways);
  const outcomes = await set.build(
    { revision: await set.resolve("latest", signal), system, names },
    { signal, log: () => {} },
  );
  for (const [name, said] of Object.entries(summary(outcomes)))
    assert.match(said, /^refused: /, name);
  assert.ok(!JSON.stringify(outcomes).includes("s3cr3t"));
  assert.equal(asked, 0, "a host was asked");
});

test("an evaluation reaches no host that is not allowed", nix, async (t) => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.end("{ x = 1; }");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file.nix`;
  const directory = directoryWith(
    t,
    packageSet(
      `fetches = mk (builtins.readFile (builtins.fetchurl "${url}")) "echo > $out"; a = program "a";`,
    ),
  );
  const set = await open(t, `path:${directory}`);
  const outcomes = await set.build(
    { revision: await set.resolve("latest", signal), system, names: ["fetches", "a"] },
    { signal, log: () => {} },
  );
  assert.match(
    summary(outcomes)["fetches"] ?? "",
    /^refused: fetches: access to URI .* is forbidden/,
  );
  assert.equal(summary(outcomes)["a"], "a");
  assert.equal(asked, 0);
});

test("a private set may build while it evaluates, within what it may read", nix, async (t) => {
  const directory = directoryWith(
    t,
    packageSet(
      `generated = mk "generated" "echo 'from-nix' > $out";
      uses = mk (builtins.head (builtins.match "([a-z-]+).*" (builtins.readFile generated)))
        "echo > $out";`,
    ),
  );
  const lines: string[] = [];
  const set = await open(t, `path:${directory}`);
  const outcomes = await set.build(
    { revision: await set.resolve("latest", signal), system, names: ["uses"] },
    { signal, log: (line) => lines.push(line) },
  );
  assert.ok(
    outcomes[0]?.kind === "built" && outcomes[0].package.storePath.endsWith("-from-nix"),
    JSON.stringify(outcomes),
  );
  assert.ok(
    lines.some((line) => /^building '.*-generated\.drv'/.test(line)),
    "its builds are in the log",
  );
});

test(
  "an evaluation that takes too long is ended, with a timeout as its failure",
  nix,
  async (t) => {
    // Long instead of endless: Nix finds true endlessness by its stack.
    const endless = `endless =
      let many = builtins.genList (n: n) 100000;
      in mk (toString (builtins.foldl' (a: _: builtins.foldl' (b: _: b + 1) a many) 0 many)) "";`;
    const set = await open(t, `path:${directoryWith(t, packageSet(endless))}`, { nixTimeout: 3 });
    const build = set.build(
      { revision: await set.resolve("latest", signal), system, names: ["endless"] },
      { signal, log: () => {} },
    );
    await assert.rejects(build, (error: { failure?: { reason?: string; message?: string } }) => {
      assert.partialDeepStrictEqual(error.failure, {
        reason: "timeout",
        message: "evaluating took longer than 3 s, the limit of this origin (NIX_TIMEOUT)",
      });
      return true;
    });
  },
);
