/**
 * `firn serve` as README has it: behind a proxy with TLS, by the configurations beside it, with an
 * origin that reaches it by the proxy alone; and restarted while pulls go on.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { Agent, get } from "node:https";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ORIGIN_NEEDS, type Need } from "../../origin/local/needs.ts";
import { originEnv, startOriginProcess } from "../../origin/local/origin.ts";
import { readOriginLine } from "../../origin/local/origin-log.ts";
import { ownPort } from "../harness/ports.ts";
import { originPublicKey } from "../../origin/local/secrets.ts";
import { unavailable } from "../harness/available.ts";
import { cleanUp } from "../harness/clean-up.ts";
import { type Daemon, startDaemon } from "../harness/daemon.ts";
import { makeCertificates, OPENSSL } from "../harness/https-server.ts";
import { ROOT, StartProcess } from "../harness/start-process.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { tinySet } from "./tiny-set.ts";

const EXAMPLES = join(ROOT, "origin/server/examples");
const KEEPER = join(import.meta.dirname, "../harness/socket-keeper.pl");

interface Place {
  readonly dir: string;
  /** Ports of firn, plain, and of the proxy, with TLS. */
  readonly ports: Readonly<Record<"edge" | "bucket" | "edgeTls" | "bucketTls", number>>;
  readonly key: string;
  readonly cert: string;
}

/** A text with each of these replaced, each of which must be in it. */
const filled = (text: string, values: readonly (readonly [string, string])[]): string =>
  values.reduce((done, [from, to]) => {
    assert.ok(done.includes(from), `the example has no ${from} any more`);
    return done.replaceAll(from, to);
  }, text);

const tls = (port: number) =>
  [
    ["listen 443 ssl", `listen 127.0.0.1:${port} ssl`],
    ["server_name", "# server_name"],
  ] as const;

async function startNginx(place: Place, ready: () => Promise<boolean>): Promise<Daemon> {
  const { dir, ports } = place;
  const example = await readFile(join(EXAMPLES, "nginx.conf"), "utf8");
  const [registry = "", bucket = ""] = example.split("# Where origins on other machines");
  const servers =
    filled(registry, [
      ...tls(ports.edgeTls),
      ["127.0.0.1:8787", `127.0.0.1:${ports.edge}`],
      ["$host;", "$http_host;"],
      ["/etc/ssl/registry.example.org.pem", place.cert],
      ["/etc/ssl/registry.example.org.key", place.key],
    ]) +
    "#" +
    filled(bucket, [
      ...tls(ports.bucketTls),
      ["127.0.0.1:8788", `127.0.0.1:${ports.bucket}`],
      ["$host;", "$http_host;"],
      ["/etc/ssl/bucket.example.org.pem", place.cert],
      ["/etc/ssl/bucket.example.org.key", place.key],
    ]);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const text = `daemon off; pid ${dir}/nginx.pid; error_log stderr;
events {}
http {
access_log off;
${temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join("\n")}
${servers}
}`;
  await writeFile(join(dir, "nginx.conf"), text);
  return startDaemon(
    ["nginx", "-p", dir, "-e", "stderr", "-c", join(dir, "nginx.conf")],
    {},
    ready,
  );
}

async function startCaddy(place: Place, ready: () => Promise<boolean>): Promise<Daemon> {
  const { dir, ports, cert, key } = place;
  const example = await readFile(join(EXAMPLES, "Caddyfile"), "utf8");
  const site = (port: number): string => `https://127.0.0.1:${port} {\n\ttls ${cert} ${key}`;
  const text = filled(example, [
    ["\nregistry.example.org {", `\n${site(ports.edgeTls)}`],
    ["\nbucket.example.org {", `\n${site(ports.bucketTls)}`],
    ["127.0.0.1:8787", `127.0.0.1:${ports.edge}`],
    ["127.0.0.1:8788", `127.0.0.1:${ports.bucket}`],
  ]);
  const file = join(dir, "Caddyfile");
  await writeFile(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${text}`);
  const home = join(dir, "caddy");
  await mkdir(home);
  return startDaemon(
    ["caddy", "run", "--config", file, "--adapter", "caddyfile"],
    { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
    ready,
  );
}

const PROXIES = [
  [{ command: "nginx", debian: "nginx-light", purpose: "a proxy with TLS" }, startNginx],
  [{ command: "caddy", debian: "caddy", purpose: "a proxy with TLS" }, startCaddy],
] as const satisfies readonly (readonly [Need, typeof startNginx])[];

for (const [need, startProxy] of PROXIES)
  test(
    `behind ${need.command}: an origin stores through it, and a restart loses no pull`,
    { skip: await unavailable([...ORIGIN_NEEDS, OPENSSL, need]) },
    (t) => serveBehind(t, startProxy),
  );

async function serveBehind(t: TestContext, startProxy: typeof startNginx): Promise<void> {
  const atEnd = cleanUp(t);
  const dir = await tempDir("serve");
  atEnd(() => removeTree(dir));
  const set = await tinySet(
    dir,
    `tool = program "tool"; slow = mk "slow" "sleep 8; mkdir -p $out/bin; echo > $out/bin/slow";`,
  );
  const { authority, key, cert } = await makeCertificates(join(dir, "tls"));
  const ports = {
    edge: await ownPort(),
    bucket: await ownPort(),
    edgeTls: await ownPort(),
    bucketTls: await ownPort(),
  };
  const host = `127.0.0.1:${ports.edgeTls}`;
  const keyFile = join(dir, "origin.key");
  const firn = new StartProcess(
    {
      PACKAGE_SET: set.spec,
      FIRN_STATE: join(dir, "state"),
      PORT: String(ports.edge),
      BUCKET_PORT: String(ports.bucket),
      BUCKET_URL: `https://127.0.0.1:${ports.bucketTls}`,
      EDGE_HOST: host,
      REGISTRY_URL: `https://${host}`,
      CLIENT_ADDRESS_HEADER: "X-Real-IP",
      SYSTEMS: "x86_64-linux",
      ORIGINS: JSON.stringify({ rack: { key: await originPublicKey(keyFile) } }),
    },
    ["perl", KEEPER, String(ports.edge), process.execPath, join(ROOT, "origin/main.ts"), "serve"],
  );
  atEnd(() => firn.end("SIGTERM"));
  await firn.line(/listening at/);

  const agent = new Agent({ ca: await readFile(authority), keepAlive: true });
  atEnd(() => agent.destroy());
  const status = (path: string) => statusOf(`https://${host}${path}`, agent);
  const proxy = await startProxy({ dir, ports, key, cert }, async () =>
    status("/v2/").then(
      (code) => code === 200,
      () => false,
    ),
  );
  atEnd(() => proxy.stop());

  const connected = Promise.withResolvers<void>();
  const originLog: string[] = [];
  const origin = startOriginProcess({
    env: {
      ...(await originEnv(process.env, {
        edgeUrl: `https://${host}`,
        name: "rack",
        keyFile,
        packageSet: set.spec,
        stateDir: join(dir, "origin"),
      })),
      ...set.originEnv,
      NODE_EXTRA_CA_CERTS: authority,
    },
    restart: false,
    onLine: (line) => {
      const { text, connected: isConnected } = readOriginLine(line);
      originLog.push(text);
      if (isConnected) connected.resolve();
    },
    onExit: (how) => connected.reject(new Error(`${how}: ${originLog.join("\n")}`)),
  });
  atEnd(() => origin.stop());
  await connected.promise;

  assert.equal(await status("/v2/tool/manifests/latest"), 200, originLog.join("\n"));
  const held = status("/v2/slow/manifests/latest");
  await firn.line(/"event":"pull.held".*\/slow\//);
  const over = new AbortController();
  const others = (async () => {
    const seen: number[] = [];
    while (!over.signal.aborted) seen.push(await status("/v2/tool/manifests/latest"));
    return seen;
  })();
  firn.child.kill("SIGHUP");
  await firn.line(/listening at/, 2);
  assert.equal(await held, 200, [...firn.lines, ...originLog].join("\n"));
  over.abort();
  assert.deepEqual([...new Set(await others)], [200]);
  const builds = await set.builds();
  assert.equal(builds.filter((line) => line.includes("slow")).length <= 2, true, builds.join("\n"));
}

/** Throws when the connection breaks. */
function statusOf(url: string, agent: Agent): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = get(url, { agent }, (answer) => {
    answer.resume();
    answer.once("end", () => resolve(answer.statusCode ?? 0));
    answer.once("error", reject);
  });
  request.once("error", reject);
  return promise;
}
