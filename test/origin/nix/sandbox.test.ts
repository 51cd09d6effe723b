/** Whether builds are sandboxed: found out by building, under every configuration. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { probeSandbox, readProbe } from "../../../origin/nix/sandbox.ts";
import { directoryWith, firnOrigin, needs, packageSet } from "./support.ts";
import { WELCOME } from "../channel/open.ts";
import { rudeEdge } from "../channel/rude-edge.ts";

const ROOT_MAP = "map 0 0 4294967295";

describe("what a build saw", () => {
  const sandboxed = ["parent 0", "interface lo:", "uid 1000", "map 1000 30001 1"];
  const outside = ["parent 4711", "marker seen", "interface lo:", "interface eth0:", "uid 0"];
  const table: readonly [string, readonly string[], boolean, boolean, RegExp][] = [
    ["a sandbox", sandboxed, true, false, /^$/],
    [
      "root's own sandbox",
      ["parent 0", "interface lo:", "uid 1000", "map 1000 0 1"],
      true,
      true,
      /^$/,
    ],
    ["none at all", [...outside, ROOT_MAP], false, true, /sees the processes, files, network of/],
    [
      "none, as a build user",
      ["parent 4711", "marker seen", "interface eth0:", "uid 999", ROOT_MAP],
      false,
      false,
      /processes, files, network/,
    ],
    ["the machine's network", [...sandboxed, "interface eth0:"], false, false, /sees the network/],
    ["the machine's files", [...sandboxed, "marker seen"], false, false, /sees the files/],
    ["nothing that can be read", [], false, false, /processes, network/],
  ];
  for (const [what, lines, isSandboxed, asRoot, reason] of table)
    test(what, () => {
      const sandbox = readProbe(`${lines.join("\n")}\n`);
      assert.deepEqual([sandbox.sandboxed, sandbox.asRoot], [isSandboxed, asRoot]);
      assert.match(sandbox.reason, reason);
    });
});

/** Root without a daemon decides by itself how it builds; anybody else cannot try these. */
const alone = process.getuid?.() === 0 && !existsSync("/nix/var/nix/daemon-socket/socket");
const limits = alone ? needs("nix-build") : { skip: "needs root and no Nix daemon" };
const SHELL = "/bin /usr /lib /lib64";

const config = (...settings: string[]): string =>
  ["substituters =", "build-users-group =", ...settings].join("\n");

describe("the probe", { ...limits, timeout: 120_000 }, () => {
  test("no sandbox", async () => {
    const { sandboxed, reason, asRoot } = await probeSandbox(config("sandbox = false"));
    assert.deepEqual([sandboxed, asRoot], [false, true]);
    assert.match(reason, /processes, files/);
  });

  test("a sandbox, with a shell in it and without", async () => {
    const withShell = await probeSandbox(config("sandbox = true", `sandbox-paths = ${SHELL}`));
    assert.deepEqual(withShell, { sandboxed: true, reason: "", asRoot: true });
    const without = await probeSandbox(config("sandbox = true", "sandbox-paths ="));
    assert.deepEqual(without, { sandboxed: true, reason: "" });
  });

  test("a sandbox that is left on demand is none", async () => {
    const { sandboxed, reason } = await probeSandbox(config("sandbox = relaxed"));
    assert.equal(sandboxed, false);
    assert.match(reason, /relaxed/);
  });

  test("where nothing builds there is none, and Nix's words say why", async () => {
    const { sandboxed, reason } = await probeSandbox(
      config("build-users-group = firn-no-such-group"),
    );
    assert.equal(sandboxed, false);
    assert.match(reason, /nothing can be built to find out: .*firn-no-such-group/);
  });
});

describe("firn origin", { ...limits, timeout: 120_000 }, () => {
  const REMOTE = { FIRN_EDGES: "wss://firn.example", ALLOW_VULNERABLE_NIX: "1" };

  const refused: readonly [string, string, RegExp][] = [
    [
      "no sandbox",
      config("sandbox = false"),
      new RegExp(
        "builds are not sandboxed here \\(a build sees .*and firn\\.example may be open" +
          ".*sandbox = true.*ALLOW_UNSANDBOXED",
      ),
    ],
    [
      "builds as root, in a sandbox without a shell",
      config("sandbox = true", "sandbox-paths ="),
      /builds run as root here.*groupadd --system nixbld.*useradd/,
    ],
    [
      "builds as root, in a sandbox with one",
      config("sandbox = true", `sandbox-paths = ${SHELL}`),
      /builds run as root here.*build-users-group = nixbld/,
    ],
  ];
  for (const [what, NIX_CONFIG, words] of refused)
    test(`${what}: it does not serve an edge elsewhere, and says what to do`, async (t) => {
      const { exitCode, stderr } = await firnOrigin(
        t,
        {},
        {
          ...REMOTE,
          PACKAGE_SET: `path:${directoryWith(t, packageSet(""))}`,
          NIX_CONFIG,
        },
      );
      assert.equal(exitCode, 1);
      assert.match(stderr, words);
    });

  for (const sandbox of [false, true])
    test(`to an edge on this machine it says so: sandbox ${sandbox}`, async (t) => {
      const edge = await rudeEdge(t);
      const origin = firnOrigin(
        t,
        {},
        {
          FIRN_EDGES: edge.url.href,
          PACKAGE_SET: `path:${directoryWith(t, packageSet(""))}`,
          NIX_CONFIG: config(`sandbox = ${sandbox}`),
        },
      );
      const connection = await edge.connected();
      const hello = await connection.heard("hello");
      assert.equal(hello.sandbox, sandbox);
      assert.equal(typeof hello.nixVulnerable, "boolean");
      connection.say(WELCOME);
      origin.kill("SIGTERM");
      assert.match((await origin).stderr, sandbox ? /run as root/ : /not sandboxed here/);
    });
});
