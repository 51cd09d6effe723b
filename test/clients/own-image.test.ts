/**
 * Firn's own image, as kubernetes.yaml and origin/server/README.md use it: built by Firn, pulled by
 * docker, and run as a server and as an origin, from which docker then pulls.
 */
import assert from "node:assert/strict";
import { chown, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { ownPort } from "../harness/ports.ts";
import { unavailable } from "../harness/available.ts";
import { docker, type Docker, openDocker } from "../harness/clients/docker.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { packageSet } from "../origin/nix/support.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

const skip =
  process.arch === "x64"
    ? (await firnUnavailable()) || (await unavailable(docker.needs, { root: true }))
    : "builds amd64 programs and runs them";
const SYSTEMS = "x86_64-linux";
const MANIFEST = join(import.meta.dirname, "../../origin/server/examples/kubernetes.yaml");
/**
 * What Nix's sandbox takes of docker; `--privileged` is more, and cannot be had where this test runs in
 * a container itself.
 */
const FOR_SANDBOX = [
  "--cap-add=SYS_ADMIN",
  "--security-opt=systempaths=unconfined",
  "--security-opt=seccomp=unconfined",
  "--security-opt=apparmor=unconfined",
];
/** Whom the server runs as: nobody that the image or this machine knows. */
const SERVER_USER = 12_345;
/** Building and packing 500 MB, milliseconds. */
const TIMEOUT = 170_000;

/**
 * Packages of the origin in the container. Its sandbox has a shell and nothing else; a build in it is
 * the first process of its own.
 */
const mk = (name: string): string => `${name} = mk "${name}" ''
  if [ $$ != 1 ]; then echo "this build is process $$: it is in no sandbox"; exit 1; fi
  mkdir -p $out/bin
  cp /bin/sh $out/bin/busybox
  ln -s busybox $out/bin/echo
'';`;
const PACKAGES =
  `cacert = mk "cacert" "mkdir -p $out/etc/ssl/certs; echo none > $out/etc/ssl/certs/ca-bundle.crt";
  iana-etc = mk "iana-etc" "mkdir -p $out/etc; echo https 443/tcp > $out/etc/services";` +
  mk("one") +
  mk("two");

describe("Firn's own image", { skip, timeout: TIMEOUT }, () => {
  let root: string;
  let firn: Firn;
  let client: Docker;
  let image: string;
  /** Host and port of the server in a container. */
  let host: string;
  /** What the manifest starts: the server, and the origin. */
  let commands: string[][];
  before(async () => {
    root = await tempDir("own");
    const manifest = await readFile(MANIFEST, "utf8");
    commands = Array.from(manifest.matchAll(/ command: \[(.*)\]/g), ([, words = ""]) =>
      words.split(", "),
    );
    assert.equal(commands.length, 2);
    [firn, client] = await Promise.all([
      startFirn({ edgeEnv: { SYSTEMS }, originEnv: { SYSTEMS } }),
      openDocker(),
    ]);
  });
  after(async () => {
    await client?.close();
    await firn?.stop();
    await removeTree(root);
  });
  afterEach(async (context) => {
    if (!("passed" in context) || context.passed) return;
    const logs = await Promise.all(["server", "origin"].map(logOf));
    process.stderr.write([firn.log(), ...logs].join("\n"));
  });

  const directory = (name: string): string => join(root, name);
  const logOf = async (container: string): Promise<string> =>
    client.cli(["logs", container]).then(
      ({ stdout, stderr }) => `${container}:\n${stdout}\n${stderr}\n`,
      () => `there is no container ${container}\n`,
    );
  const run = (
    container: string,
    flags: readonly string[],
    env: Readonly<Record<string, string>>,
    command: readonly string[],
  ) =>
    client.cli(
      ["run", "--detach", "--name", container, "--network=host"].concat(
        ["--volume", `${directory(container)}:/var/lib/firn`],
        flags,
        Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
        [image],
        command,
      ),
    );
  /** Stops it as Kubernetes does, by SIGTERM to its first process; its exit status. */
  const stop = async (container: string): Promise<string> => {
    await client.cli(["stop", "--time", "60", container]);
    const format = ["--format", "{{.State.ExitCode}}"];
    return (await client.cli(["inspect", ...format, container])).stdout.trim();
  };
  const runOrigin = async (): Promise<void> => {
    const volumes = ["set", "keys"].flatMap((name) => [
      "--volume",
      `${directory(name)}:/${name}:ro`,
    ]);
    await run(
      "origin",
      [...FOR_SANDBOX, ...volumes],
      {
        FIRN_EDGES: `http://${host}`,
        ORIGIN_NAME: "rack-1",
        ORIGIN_KEY_FILE: "/keys/rack-1.key",
        PACKAGE_SET: "path:/set",
        SYSTEMS,
        NIX_CONFIG: "substituters =",
      },
      commands[1] ?? [],
    );
    await until("an origin connected to the server", async () =>
      /connected to the edge/.test(await logOf("origin")),
    );
  };
  /** That docker pulls a package from the server, and its program runs. */
  const works = async (name: string): Promise<void> => {
    await client.pull(`${host}/${name}`);
    const { stdout } = await client.run(`${host}/${name}`, ["/bin/echo", name]);
    assert.equal(stdout.trim(), name);
  };
  const kept = (): Promise<string[]> => readdir(directory("origin/nix/store"));

  test("docker pulls it", { timeout: TIMEOUT }, async () => {
    image = `${firn.host}/firn`;
    await client.pull(image);
    const { stdout } = await client.run(image, ["firn", "--version"]);
    assert.match(stdout, /^\d+\.\d+\.\d+$/);
  });

  test("a server runs in it, not as root, its state in a volume", async () => {
    for (const name of ["server", "keys", "origin", "set"]) await mkdir(directory(name));
    await chown(directory("server"), SERVER_USER, SERVER_USER);
    const keygen = `--name rack-1 --out /keys/rack-1.key`.split(" ");
    const volume = `${directory("keys")}:/keys`;
    const { stdout: origins } = await client.cli(
      ["run", "--rm", "--volume", volume, "--network=none", image, "firn", "keygen"].concat(keygen),
    );
    const [port, bucketPort] = [await ownPort(), await ownPort()];
    host = `127.0.0.1:${port}`;
    const env = {
      HOST: "127.0.0.1",
      PORT: String(port),
      BUCKET_PORT: String(bucketPort),
      PACKAGE_SET: "path:/set",
      SYSTEMS,
      ORIGINS: origins,
    };
    const user = ["--user", `${SERVER_USER}:${SERVER_USER}`, "--read-only", "--cap-drop=ALL"];
    await run("server", user, env, commands[0] ?? []);
    await until(`a server at ${host}`, async () =>
      fetch(`http://${host}/v2/`).then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
    assert.ok((await readdir(directory("server"))).includes("objects"));
  });

  test("an origin runs in it, and builds in a sandbox", { timeout: TIMEOUT }, async () => {
    await writeFile(join(directory("set"), "default.nix"), packageSet(PACKAGES));
    await runOrigin();
    await works("one");
    assert.doesNotMatch(await logOf("origin"), /not sandboxed|run as root/);
  });

  test("its Nix store is in a volume, and holds Firn without what only its tests need", async () => {
    const paths = await kept();
    assert.ok(paths.some((path) => path.endsWith("-one")));
    const npm = paths.find((path) => path.includes("-firn-npm-")) ?? "";
    const modules = await readdir(join(directory("origin/nix/store"), npm, "node_modules"));
    assert.ok(modules.includes("workerd"));
    for (const name of ["node", "miniflare", "playwright-core", "typescript", "wrangler"])
      assert.ok(!modules.includes(name), name);
  });

  // What an image brings is garbage to a Nix that has not been told of it.
  test("Nix's garbage collector leaves the image alone, and a new container goes on", async () => {
    const store = directory("origin/nix/store");
    const find = async (pattern: RegExp): Promise<string> =>
      (await kept()).find((path) => pattern.test(path)) ?? "";
    const registration = join(store, await find(/-firn-\d/), "share/firn/registration");
    const text = await readFile(registration, "utf8");
    const own = [
      ...new Set(Array.from(text.matchAll(/^\/nix\/store\/(.+)$/gm), ([, name]) => name)),
    ];
    assert.ok(own.length > 50);
    const collect = `/nix/store/${await find(/-nix-\d/)}/bin/nix-store`;
    await client.cli(["exec", "origin", collect, "--gc"]);
    const left = new Set<string | undefined>(await kept());
    assert.deepEqual(
      own.filter((name) => !left.has(name)),
      [],
    );
    assert.equal(await stop("origin"), "0");
    await client.cli(["rm", "origin"]);
    await runOrigin();
    await works("two");
    assert.notEqual(await find(/-one$/), "");
  });

  test("both end in order when they are told to", async () => {
    assert.equal(await stop("origin"), "0");
    assert.equal(await stop("server"), "0");
    assert.match(await logOf("server"), /firn: stopping/);
  });
});
