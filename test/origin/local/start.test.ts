/** `npm start` as a person meets it: the command as a process. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { hashPassword } from "../../../edge/contract/account.ts";
import { hostWarning } from "../../../origin/local/start.ts";
import { firnUnavailable } from "../../harness/firn.ts";
import { ownPort } from "../../harness/ports.ts";
import { pullImage, unpackImage } from "../../harness/registry-client.ts";
import { StartProcess } from "../../harness/start-process.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { BASE, type TinySet, tinySet } from "../../system/tiny-set.ts";
import { packageSet } from "../nix/support.ts";

const skip = await firnUnavailable();
const unconfigured =
  process.getuid?.() === 0 &&
  !existsSync("/etc/nix/nix.conf") &&
  !existsSync("/nix/var/nix/daemon-socket/socket");

const childrenOf = async (pid: number | undefined): Promise<number[]> =>
  (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => ""))
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);

async function descendantsOf(pid: number | undefined): Promise<number[]> {
  const children = await childrenOf(pid);
  return [...children, ...(await Promise.all(children.map(descendantsOf))).flat()];
}

/** Those of the processes that run still: a zombie does not. */
async function running(pids: readonly number[]): Promise<number[]> {
  const states = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")),
  );
  return pids.filter((_, index) => /\) [^ZX] /.test(states[index] ?? ""));
}

const isOrigin = async (pid: number): Promise<boolean> =>
  (await readFile(`/proc/${pid}/cmdline`, "utf8")).includes("origin/main.ts\0origin");

describe("npm start", { skip }, () => {
  let root: string;
  let state: string;
  let set: TinySet;
  let port: number;
  let runs: StartProcess[];
  beforeEach(async () => {
    port = await ownPort();
    root = await tempDir("start");
    state = join(root, "state");
    set = await tinySet(root, 'snow = program "snow";');
    runs = [];
  });
  afterEach(async (context) => {
    if ("passed" in context && !context.passed)
      for (const run of runs) process.stderr.write(`${run.lines.join("\n")}\n`);
    await Promise.all(runs.map((run) => run.end("SIGTERM")));
    await removeTree(root);
  });
  const start = (env: Readonly<Record<string, string>> = {}, command?: string[]): StartProcess => {
    const run = new StartProcess(
      { PORT: String(port), FIRN_STATE: state, PACKAGE_SET: set.spec, ...set.originEnv, ...env },
      command,
    );
    runs.push(run);
    return run;
  };

  test("says when pulls work, with an example; Ctrl-C ends all; a restart keeps builds", async () => {
    const first = start({ PORT: "0" });
    const url = await first.ready();
    assert.match(
      await first.line(/docker pull/),
      new RegExp(`docker pull ${new URL(url).host}/PACKAGE`),
    );
    const { digest } = await pullImage(url, "snow");
    assert.equal(new URL(url).hostname, "127.0.0.1", "for this machine alone, unless asked");
    assert.ok(!first.lines.some((line) => line.includes("warning")));
    const children = await childrenOf(first.child.pid);
    assert.ok(children.length >= 2, "workerd and the origin");
    assert.equal(await first.end("SIGINT"), 0);
    for (const pid of children)
      assert.throws(() => process.kill(pid, 0), { code: "ESRCH" }, `process ${pid} is still there`);
    await assert.rejects(fetch(url));

    const builds = (await set.builds()).length;
    const second = start();
    assert.equal((await pullImage(await second.ready(), "snow")).digest, digest);
    assert.equal((await set.builds()).length, builds, "nothing was built again");
  });

  test("a second one on the state, or a port in use, is refused and says what to do", async () => {
    const first = start();
    const url = await first.ready();
    await assert.rejects(start().ready(), /in use by process \d+.*FIRN_STATE=/);
    await assert.rejects(
      start({ FIRN_STATE: join(root, "other") }).ready(),
      new RegExp(`port ${port} of 127.0.0.1 is in use.*PORT=`),
    );
    assert.equal((await fetch(`${url}/v2/`)).status, 200, "the first one goes on");
  });

  test("an origin that dies is started again, and that is said", async () => {
    const run = start();
    const url = await run.ready();
    for (const pid of await childrenOf(run.child.pid))
      if (await isOrigin(pid)) process.kill(pid, "SIGKILL");
    await run.line(/the origin ended \(SIGKILL\); it is started again in 0.5 s/);
    await pullImage(url, "cacert");
    await run.line(/connected to the edge/, 2);
    await pullImage(url, "snow");
  });

  test("a wrong setting is one line that names it", async () => {
    const run = start({ PORT: "all" });
    await assert.rejects(run.ready(), /'all' from env 'PORT' is invalid.*from 0 to 65535/);
    assert.equal(run.child.exitCode, 2);
  });

  test("an origin that cannot start ends it, with the origin's own words", async () => {
    const run = start({ SLOTS: "many" });
    await assert.rejects(
      run.ready(),
      /origin: error: .*'many' from env 'SLOTS' is invalid[^]*cannot start \(exit code 2\)/,
    );
    assert.equal(run.child.exitCode, 1);
  });

  test("SIGTERM to npm ends everything that npm start has started", async () => {
    const run = start({ npm_config_update_notifier: "false" }, ["npm", "start"]);
    await run.ready();
    const processes = await descendantsOf(run.child.pid);
    assert.ok(processes.length >= 3, "Firn, workerd and the origin");
    try {
      run.child.kill("SIGTERM");
      await once(run.child, "exit");
      await until("all ended", async () => (await running(processes)).length === 0);
    } finally {
      for (const pid of await running(processes)) process.kill(pid, "SIGKILL");
    }
  });

  test("a private Firn: it is ready, and a pull takes an account", async () => {
    const url = await start({
      ACCESS: "private",
      ACCOUNTS: JSON.stringify({ ci: { password: await hashPassword("correct horse battery") } }),
      TOKEN_KEY: "0123456789abcdef0123456789abcdef",
    }).ready();
    const manifest = `${url}/v2/snow/manifests/latest`;
    assert.equal((await fetch(manifest)).status, 401);
    const basic = Buffer.from("ci:correct horse battery").toString("base64");
    const signedIn = await fetch(`${url}/token?scope=repository:snow:pull`, {
      headers: { Authorization: `Basic ${basic}` },
    });
    const { token } = (await signedIn.json()) as { token: string };
    const pulled = await fetch(manifest, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(pulled.status, 200, await pulled.text());
  });

  test(
    "builds in a sandbox, as a user that is not root, of a machine that nobody has configured",
    { skip: !unconfigured && "needs root, and Nix without a daemon and configuration" },
    async () => {
      await writeFile(
        join(root, "set", "default.nix"),
        packageSet(
          `${BASE} spy = mk "spy" ''
             mkdir -p $out/etc
             { echo "parent $PPID"; if [ -e /root ] || [ -e '${root}' ]; then echo marker; fi
               read -r inside outside count </proc/self/uid_map; echo "user $outside"; } >$out/etc/seen
           '';`,
        ),
      );
      const url = await start({ NIX_CONFIG: "" }).ready();
      const image = await pullImage(url, "spy");
      const directory = join(root, "unpacked");
      await unpackImage(image, directory);
      const seen = await readFile(join(directory, "etc", "seen"), "utf8");
      assert.match(seen, /^parent 0\nuser [1-9]\d*\n$/);
    },
  );

  test("for other machines it builds nothing without a sandbox that holds, unless told so", async () => {
    const others = { HOST: "0.0.0.0", NIX_CONFIG: "sandbox = false\nbuild-users-group =" };
    await assert.rejects(
      start({ ...others, PACKAGE_SET: "starter" }).ready(),
      /starter set is built without a sandbox.*this machine alone.*ALLOW_UNSAFE_ORIGINS=on/,
    );
    await assert.rejects(
      start(others).ready(),
      /(lets builds leave the sandbox|cannot sandbox builds here).*ALLOW_UNSAFE_ORIGINS=on/,
    );
    const run = start({ ...others, ALLOW_UNSAFE_ORIGINS: "on" });
    await pullImage(await run.ready(), "snow");
    assert.ok(run.lines.some((line) => line.includes("warning: it listens on 0.0.0.0")));
  });

  test("is ready only when a pull has worked", async () => {
    const gate = join(root, "gate");
    const open = join(gate, "open");
    await mkdir(gate);
    await writeFile(
      join(gate, "nix-build"),
      `#!/bin/sh
PATH='${set.originEnv["PATH"]}'
if [ "$1" != --version ]; then while [ ! -e '${open}' ]; do sleep 0.05; done; fi
exec nix-build "$@"
`,
      { mode: 0o755 },
    );
    const run = start({
      BUILD_WAIT: "1",
      PATH: `${gate}${delimiter}${set.originEnv["PATH"]}`,
    });
    try {
      assert.match(
        await run.line(/^ready: |no pull works yet/),
        /no pull works yet: .*not finished after 1 second/,
      );
    } finally {
      await writeFile(open, "");
    }
    await pullImage(await run.ready(), "cacert");
  });
});

test("to listen where others can reach it brings a warning of what that means", () => {
  for (const host of ["0.0.0.0", "::", "192.0.2.1"])
    assert.match(hostWarning(host) ?? "", /warning: .*no login and no TLS.*HOST=127\.0\.0\.1/);
  for (const host of ["127.0.0.1", "127.8.8.8", "::1"]) assert.equal(hostWarning(host), undefined);
});
