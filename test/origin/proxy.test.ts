/**
 * HTTPS_PROXY and its like: an origin and the commands that reach everything by a proxy, at names
 * that only the proxy knows.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { originEnv, type OriginProcess, startOriginProcess } from "../../origin/local/origin.ts";
import { readOriginLine } from "../../origin/local/origin-log.ts";
import { ownPort } from "../harness/ports.ts";
import { originPublicKey } from "../../origin/local/secrets.ts";
import { proxyVariables } from "../../origin/proxy.ts";
import type { Edge } from "../../origin/server/edge.ts";
import { startOwnEdge } from "../harness/start-edge.ts";
import { unavailable } from "../harness/available.ts";
import { type ConnectProxy, startConnectProxy, startTlsFront } from "../harness/connect-proxy.ts";
import {
  DOCKER_REGISTRY,
  type DockerRegistry,
  startDockerRegistry,
} from "../harness/docker-registry.ts";
import { firnUnavailable } from "../harness/firn.ts";
import { makeCertificates, OPENSSL } from "../harness/https-server.ts";
import { pullImage } from "../harness/registry-client.ts";
import { removeTree } from "../harness/temp.ts";
import { tinySet, type TinySet } from "../system/tiny-set.ts";
import { makePlace, type Place } from "./commands/place.ts";

describe("the variables", () => {
  const noProxy = "localhost,127.0.0.1,[::1],::1";
  const exceptions = { no_proxy: noProxy, NO_PROXY: noProxy };
  const rows: readonly [string, Record<string, string>, ReturnType<typeof proxyVariables>][] = [
    ["no proxy", { NO_PROXY: "firn.example" }, undefined],
    ["an empty one is none", { HTTPS_PROXY: "" }, undefined],
    ["a URL", { HTTPS_PROXY: "http://p:3128" }, { HTTPS_PROXY: "http://p:3128", ...exceptions }],
    ["without a scheme", { http_proxy: "p:3128" }, { http_proxy: "http://p:3128", ...exceptions }],
    [
      "exceptions stay",
      { HTTPS_PROXY: "https://p", no_proxy: ".example", NO_PROXY: "other" },
      {
        HTTPS_PROXY: "https://p",
        no_proxy: `.example,${noProxy}`,
        NO_PROXY: `.example,${noProxy}`,
      },
    ],
  ];
  for (const [what, env, expected] of rows)
    test(what, () => assert.deepEqual(proxyVariables(env), expected));

  test("what is no HTTP proxy is refused, by the variable's name, without its password", () => {
    const env = { HTTPS_PROXY: "socks5://me:secret@p:1080" };
    assert.throws(
      () => proxyVariables(env),
      ({ message }: Error) =>
        message.startsWith("HTTPS_PROXY must be") && !message.includes("secret"),
    );
  });
});

const skip = (await firnUnavailable()) || (await unavailable([OPENSSL, DOCKER_REGISTRY]));

/** Names that the proxy alone knows. */
const [EDGE, BUCKET, REGISTRY] = ["edge.firn.test", "bucket.firn.test", "registry.firn.test"];

describe("behind a proxy", { skip }, () => {
  let place: Place;
  let set: TinySet;
  let proxy: ConnectProxy;
  let registry: DockerRegistry;
  let edge: Edge;
  let env: Record<string, string>;
  let origin: OriginProcess | undefined;
  const keyFiles: Record<string, string> = {};
  const fronts: { close(): void }[] = [];

  before(async () => {
    place = await makePlace("proxy");
    set = await tinySet(
      place.root,
      `snow = program "snow"; ice = program "ice"; water = program "water";`,
    );
    const origins: Record<string, { key: string }> = {};
    for (const name of ["signed", "own"]) {
      keyFiles[name] = join(place.root, `${name}.key`);
      origins[name] = { key: await originPublicKey(keyFiles[name]) };
    }
    registry = await startDockerRegistry();
    const bucketPort = await ownPort();
    edge = await startOwnEdge({
      stateDir: join(place.root, "edge"),
      site: false,
      bucketPort,
      env: {
        PACKAGE_SET: set.spec,
        EDGE_HOST: EDGE,
        SYSTEMS: "x86_64-linux",
        ALLOW_UNSAFE_ORIGINS: "on",
        BUILD_WAIT: "120",
        S3_PUBLIC_ENDPOINT: `https://${BUCKET}`,
        ORIGINS: JSON.stringify(origins),
      },
      log: () => undefined,
    });
    const ports = {
      [EDGE]: portOf(edge.url),
      [BUCKET]: bucketPort,
      [REGISTRY]: portOf(registry.url),
    };
    const { authority, ...files } = await makeCertificates(
      join(place.root, "tls"),
      Object.keys(ports),
    );
    const [key, cert] = await Promise.all([readFile(files.key), readFile(files.cert)]);
    const routes: Record<string, number> = {};
    for (const [name, port] of Object.entries(ports)) {
      const front = await startTlsFront(port, { key, cert });
      fronts.push(front);
      routes[`${name}:443`] = front.port;
      // The registry is told of no TLS, so it sends uploads on to http://.
      routes[`${name}:80`] = port;
    }
    proxy = await startConnectProxy(routes);
    env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: authority };
    origin = await startOrigin("signed");
  });
  after(async () => {
    await origin?.stop();
    await edge?.stop();
    await proxy?.close();
    for (const front of fronts) front.close();
    await registry?.stop();
    if (place !== undefined) await removeTree(place.root);
  });

  /** What went through the proxy to a host while `work` ran. */
  const through = async (host: string, work: () => Promise<unknown>): Promise<number> => {
    const count = (): number =>
      [443, 80].reduce((sum, port) => sum + (proxy.seen.get(`${host}:${port}`) ?? 0), 0);
    const before = count();
    await work();
    return count() - before;
  };

  /** Starts an origin that reaches the edge by the proxy alone, and waits for its welcome. */
  const startOrigin = async (name: string, more: Record<string, string> = {}) => {
    const log: string[] = [];
    const connected = Promise.withResolvers<void>();
    const started = startOriginProcess({
      env: {
        ...(await originEnv(process.env, {
          edgeUrl: `https://${EDGE}`,
          name,
          keyFile: keyFiles[name] ?? "",
          packageSet: set.spec,
          stateDir: join(place.root, name),
        })),
        ...set.originEnv,
        ...env,
        ALLOW_UNSANDBOXED: "yes",
        ALLOW_VULNERABLE_NIX: "yes",
        ...more,
      },
      restart: false,
      onLine: (line) => {
        const { text, connected: isConnected } = readOriginLine(line);
        log.push(text);
        if (isConnected) connected.resolve();
      },
      onExit: (how) => connected.reject(new Error(`${how}:\n${log.join("\n")}`)),
    });
    await connected.promise;
    return started;
  };

  test("an origin connects and stores by it, with uploads that the edge signs", async () => {
    assert.ok((proxy.seen.get(`${EDGE}:443`) ?? 0) > 0);
    const stored = await through(BUCKET, () => pullImage(edge.url, "snow/ice"));
    assert.ok(stored > 0);
  });

  const commands: readonly (readonly [host: string, ...command: string[]])[] = [
    [EDGE, "inspect", "snow", "--edge", `https://${EDGE}`],
    [EDGE, "alias", "snow", "ice", "--edge", `https://${EDGE}`],
    [EDGE, "mirror", "images.txt", "--edge", `https://${EDGE}`],
    [EDGE, "export", "snow", "oci:images", "--edge", `https://${EDGE}`],
    [REGISTRY, "push", "snow", `${REGISTRY}/snow:1`, "--from", `https://${EDGE}`],
  ];
  for (const [host, ...command] of commands)
    test(`firn ${command[0]} goes by it`, async () => {
      await writeFile(join(place.root, "images.txt"), "snow\nice\n");
      const count = await through(host, async () => {
        const { exitCode, stderr } = await place.firnText(command, env);
        assert.equal(exitCode, 0, stderr);
      });
      assert.ok(count > 0);
    });

  test("what is on this machine is reached without it", async () => {
    const before = [...proxy.seen];
    const { exitCode, stderr } = await place.firnText(["inspect", "snow", "--edge", edge.url], env);
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual([...proxy.seen], before);
  });

  test("a proxy that is refused is told", async () => {
    const wrong = { ...env, HTTPS_PROXY: proxy.url.replace("secret", "wrong") };
    const command = ["alias", "snow", "--edge", `https://${EDGE}`];
    const { exitCode, stderr } = await place.firnText(command, wrong);
    assert.equal(exitCode, 6);
    assert.match(stderr, /the proxy of HTTPS_PROXY or HTTP_PROXY answered 407/);
  });

  test("an origin with credentials of its own stores by it, with the S3 client", async () => {
    const { s3 } = edge;
    const own = {
      S3_ENDPOINT: `https://${BUCKET}`,
      S3_BUCKET: s3.bucket,
      S3_REGION: s3.region,
      S3_ACCESS_KEY_ID: s3.accessKeyId,
      S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    };
    const stored = await through(BUCKET, async () => {
      await origin?.stop();
      origin = await startOrigin("own", own);
      await pullImage(edge.url, "water");
    });
    assert.ok(stored > 0);
  });
});

const portOf = (url: string): number => Number(new URL(url).port);
