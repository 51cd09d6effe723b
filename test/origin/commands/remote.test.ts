/**
 * `firn export` and `firn mirror` against a real Firn, `firn push` to Debian's docker-registry:
 * without accounts, with a password, and with the token flow.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { importPKCS8, SignJWT } from "jose";
import { hashPassword } from "../../../edge/contract/account.ts";
import { unavailable } from "../../harness/available.ts";
import { NEEDS } from "../../harness/clients/client.ts";
import {
  DOCKER_REGISTRY,
  type DockerRegistry,
  PASSWORD,
  startDockerRegistry,
} from "../../harness/docker-registry.ts";
import { type Firn, firnUnavailable, startFirn } from "../../harness/firn.ts";
import { OPENSSL } from "../../harness/https-server.ts";
import { pullManifest } from "../../harness/registry-client.ts";
import { soon } from "../../harness/soon.ts";
import { removeTree } from "../../harness/temp.ts";
import { type TinySet, tinySet } from "../../system/tiny-set.ts";
import { makePlace, type Place } from "./place.ts";

const skip =
  (await firnUnavailable()) || (await unavailable([...NEEDS.skopeo, DOCKER_REGISTRY, OPENSSL]));

let place: Place;
let set: TinySet;
let firn: Firn;
before(async () => {
  if (skip !== false) return;
  place = await makePlace("remote");
  set = await tinySet(place.root, 'snow = program "snow"; ice = program "ice"; bad = throw "no";');
  firn = await startFirn({ packageSet: set.spec, originEnv: set.originEnv });
});
after(async () => {
  await firn?.stop();
  if (place !== undefined) await removeTree(place.root);
});

/** How long the half of a body is on its way before the connection is cut, ms. */
const CUT_AFTER = 100;
/**
 * A registry in front of the edge that notes requests, and cuts off bodies of blobs in the middle.
 */
async function startCutting(cuts: number) {
  const seen: { path: string; range: string | undefined }[] = [];
  let left = cuts;
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? "";
    const range = request.headers["range"];
    seen.push({ path, range });
    const answer = await fetch(`${firn.url}${path}`, {
      headers: { accept: request.headers.accept ?? "*/*", ...(range && { range }) },
    });
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (!path.includes("/blobs/") || left === 0 || body.length < 2) return void response.end(body);
    left -= 1;
    // A client may drop what comes together with the end.
    response.write(body.subarray(0, body.length >> 1), () =>
      setTimeout(() => response.destroy(), CUT_AFTER),
    );
  };
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    stop: () => (server.close(), server.closeAllConnections()),
  };
}

/** Exports, and returns what `--json` says. */
const firnExport = async (name: string, output: string, url = firn.url) => {
  const made = await place.firnText(["export", name, output, "--edge", url, "--json"]);
  assert.equal(made.exitCode, 0, made.stderr);
  return JSON.parse(made.stdout) as { digest: string; fetched: number; bytes: number };
};

const mirror = (list: string, ...more: readonly string[]) =>
  writeFile(join(place.root, "list"), list).then(() =>
    place.firnText(["mirror", "list", "--edge", firn.url, "--json", ...more]),
  );
const reports = (stdout: string) =>
  stdout
    .split("\n")
    .filter(Boolean)
    .map(
      (line) =>
        JSON.parse(line) as { image: string; state: string; digest?: string; error?: string },
    );

describe("firn export", { skip }, () => {
  test("writes what the registry serves, and fetches only what the directory lacks", async () => {
    const { digest } = await pullManifest(firn.url, "snow");
    const first = await firnExport("snow", "oci:images:a");
    assert.equal(first.digest, digest);
    assert.equal(first.fetched, first.bytes);
    assert.equal((await firnExport("snow", "oci:images:b")).fetched, 0);
    const more = await firnExport("snow/ice", "oci:images:c");
    assert.ok(more.fetched > 0 && more.fetched < more.bytes, `${more.fetched} of ${more.bytes}`);
    const inspected = JSON.parse(await place.skopeo("inspect", "oci:images:b"));
    assert.equal(inspected.Digest, digest);
    const byDigest = await firnExport(`snow@${digest}`, "oci-archive:snow.tar");
    assert.equal(byDigest.digest, digest);
    assert.equal(JSON.parse(await place.skopeo("inspect", "oci-archive:snow.tar")).Digest, digest);
  });

  test("goes on where it was cut off, in the same run and in the next", async () => {
    const cutting = await startCutting(3);
    try {
      const { digest } = await firnExport("ice", "oci:cut", cutting.url);
      const asked = cutting.seen.filter(({ path }) => path.includes("/blobs/"));
      assert.equal(asked.length, 6, "three blobs, each cut off once");
      assert.ok(asked.some(({ range }) => /^bytes=[1-9]\d*-$/.test(range ?? "")));
      await place.skopeo("copy", "oci:cut:latest", "oci:whole:x");

      // As a killed run leaves it.
      const { pid: ended = 0 } = spawnSync("true");
      const blobs = join(place.root, "cut/blobs/sha256");
      const { config } = (await pullManifest(firn.url, "ice")).manifest;
      const hex = config.digest.slice("sha256:".length);
      const bytes = await readFile(join(blobs, hex));
      await execa("rm", [join(blobs, hex)]);
      await writeFile(join(blobs, `.${hex}.${ended}.part`), bytes.subarray(0, 100));
      cutting.seen.length = 0;
      assert.equal((await firnExport("ice", "oci:cut", cutting.url)).digest, digest);
      const again = cutting.seen.filter(({ path }) => path.includes("/blobs/"));
      assert.deepEqual(
        again.map(({ range }) => range),
        ["bytes=100-"],
      );
      assert.deepEqual(await readFile(join(blobs, hex)), bytes);
      assert.deepEqual(
        (await readdir(blobs)).filter((name) => name.startsWith(".")),
        [],
      );
    } finally {
      cutting.stop();
    }
  });

  test("what is not what its digest says is refused, and not kept", async () => {
    const { config } = (await pullManifest(firn.url, "ice")).manifest;
    const hex = config.digest.slice("sha256:".length);
    const { pid: ended = 0 } = spawnSync("true");
    const part = join(place.root, "bad/blobs/sha256", `.${hex}.${ended}.part`);
    await firnExport("snow", "oci:bad");
    await writeFile(part, "x".repeat(100));
    const made = await place.firnText(["export", "ice", "oci:bad", "--edge", firn.url]);
    assert.equal(made.exitCode, 1);
    assert.match(made.stderr, new RegExp(`for blob ${config.digest}`));
    assert.ok(
      !(await readdir(join(place.root, "bad/blobs/sha256"))).some((name) => name.includes(hex)),
    );
  });

  for (const [what, args, status, says] of [
    ["a package that does not exist", ["snw", "oci:x"], 4, /answered 404: .*snw/],
    [
      "a platform that it does not have",
      ["amd64/snow", "oci:x", "--platform", "mips"],
      2,
      /linux\/amd64/,
    ],
    ["a malformed name", ["Snow", "oci:x"], 2, /write "snow"/],
    ["a malformed tag", ["snow:a b", "oci:x"], 2, /"a b" is no tag/],
    [
      "a registry that is not there",
      ["snow", "oci:x", "--edge", "http://127.0.0.1:22222"],
      6,
      /127\.0\.0\.1:22222 cannot be reached/,
    ],
  ] as const) {
    test(`${what} ends with status ${status}`, async () => {
      const edge = args.includes("--edge" as never) ? [] : ["--edge", firn.url];
      const ran = await place.firnText(["export", ...args, ...edge]);
      assert.equal(ran.exitCode, status, ran.stderr);
      assert.match(ran.stderr, says);
    });
  }

  test("a private registry takes docker's credentials and FIRN_USER, by the token flow", async () => {
    await firn.restartEdge({
      ACCESS: "private",
      ACCOUNTS: JSON.stringify({ ci: { password: await hashPassword(PASSWORD) } }),
      TOKEN_KEY: "0123456789abcdef0123456789abcdef",
    });
    try {
      const args = ["export", "snow", "oci:private", "--edge", firn.url];
      const stranger = await place.firnText(args);
      assert.equal(stranger.exitCode, 5, stranger.stderr);
      assert.match(stranger.stderr, /docker login/);
      const account = { FIRN_USER: "ci", FIRN_PASSWORD: PASSWORD };
      assert.equal((await place.firnText(args, account)).exitCode, 0);
      const auth = Buffer.from(`ci:${PASSWORD}`).toString("base64");
      await place.dockerConfig({ auths: { [firn.host]: { auth } } });
      const signedIn = await place.firnText([
        ...args.slice(0, 2),
        "oci:private-2",
        ...args.slice(3),
      ]);
      assert.equal(signedIn.exitCode, 0, signedIn.stderr);
    } finally {
      await place.dockerConfig({});
      await firn.restartEdge({ ACCESS: "public" });
    }
  });
});

describe("firn mirror", { skip }, () => {
  test("has every image of the list built, and says of each what became of it", async () => {
    const made = await mirror("ice/snow # both\n\n  snow:latest\nbad\n");
    assert.equal(made.exitCode, 3, made.stderr);
    const found = new Map(reports(made.stdout).map((report) => [report.image, report]));
    assert.deepEqual([...found.keys()].sort(), ["bad:latest", "ice/snow:latest", "snow:latest"]);
    assert.equal(found.get("bad:latest")?.state, "failed");
    assert.match(found.get("bad:latest")?.error ?? "", /answered 500/);
    const { digest } = await pullManifest(firn.url, "snow");
    assert.equal(found.get("snow:latest")?.digest, digest);
    assert.match(made.stderr, /2 of 3 images are ready/);
  });

  test("on a schedule, until it is told to stop; the list is read again, and no change is said", async () => {
    await writeFile(join(place.root, "list"), "snow\n");
    const child = execa(
      process.execPath,
      [
        "origin/main.ts",
        "mirror",
        join(place.root, "list"),
        "--edge",
        firn.url,
        "--every",
        "1s",
        "--json",
      ],
      { reject: false, buffer: true },
    );
    const lines: string[] = [];
    for await (const line of child.iterable()) {
      lines.push(line);
      // Whoever replaces it may take it away for a moment.
      if (lines.length === 1) await rm(join(place.root, "list"));
      if (lines.length === 3) await writeFile(join(place.root, "list"), "snow\nice\n");
      if (line.includes('"ice:latest"')) child.kill("SIGTERM");
    }
    const { exitCode, stderr } = await child;
    assert.equal(exitCode, 0, String(stderr));
    assert.match(String(stderr), /cannot read .*list: .*the list of the last round is used/);
    const states = reports(lines.join("\n")).map(({ image, state }) => `${image} ${state}`);
    assert.equal(states[0], "snow:latest new");
    assert.ok(states.slice(1).includes("snow:latest same"), states.join("\n"));
    assert.ok(states.includes("ice:latest new"));
  });

  test("a line that is no name is told by its number; so is an empty list", async () => {
    const made = await mirror("snow\n\nSnow\n");
    assert.equal(made.exitCode, 2);
    assert.match(made.stderr, /line 3: .*"snow"/);
    assert.equal((await mirror("# nothing\n")).exitCode, 2);
    assert.equal((await mirror("snow\n", "--every", "soon")).exitCode, 2);
    // Longer than a timer takes: it would ask without a pause.
    const { exitCode, stderr } = await mirror("snow\n", "--every", "25d");
    assert.equal(exitCode, 2, stderr);
    assert.match(stderr, /from 1 s to 24 d/);
  });
});

interface Pushed {
  readonly digest: string;
  readonly sent: number;
  readonly mounted: number;
  readonly present: number;
}

/** Pushes from the edge, and returns what `--json` says. */
async function push(to: string, name = "snow", ...more: readonly string[]): Promise<Pushed> {
  const args = ["push", name, to, "--from", firn.url, "--json", ...more];
  const made = await place.firnText(args);
  assert.equal(made.exitCode, 0, made.stderr);
  return JSON.parse(made.stdout) as Pushed;
}

describe("firn push", { skip }, () => {
  let registry: DockerRegistry;
  before(async () => void (registry = await startDockerRegistry()));
  after(() => registry?.stop());

  test("sends an image to an empty registry, nothing the second time, what is new of another", async () => {
    const { digest, manifest } = await pullManifest(firn.url, "snow");
    const first = await push(`${registry.host}/team/snow:1`);
    assert.equal(first.digest, digest);
    assert.deepEqual([first.present, first.mounted], [0, 0]);
    assert.equal(first.sent, new Set(manifest.layers.map((layer) => layer.digest)).size + 1);
    assert.equal((await pullManifest(registry.url, "team/snow", "1")).digest, digest);
    await place.skopeo(
      "copy",
      "--src-tls-verify=false",
      `docker://${registry.host}/team/snow:1`,
      "oci:got:x",
    );

    const again = await push(`${registry.host}/team/snow:2`);
    assert.deepEqual([again.sent, again.mounted], [0, 0]);
    assert.equal((await pullManifest(registry.url, "team/snow", "2")).digest, digest);
    const other = await push(`${registry.host}/team/snow:3`, "snow/ice");
    assert.ok(other.sent > 0 && other.present > 0, JSON.stringify(other));
  });

  test("takes blobs from another repository of the registry, which it remembers, or is told", async () => {
    const mounted = await push(`${registry.host}/other/snow:1`);
    assert.deepEqual([mounted.sent, mounted.present], [0, 0]);
    assert.ok(mounted.mounted > 0);
    await push(`${registry.host}/other/ice:1`, "ice");
    const forgetful = ["--state-dir", join(place.root, "empty")];
    const told = await push(
      `${registry.host}/third/ice:1`,
      "ice",
      ...forgetful,
      "--mount-from",
      "other/ice",
    );
    assert.equal(told.sent, 0);
    const gone = await push(
      `${registry.host}/fourth/ice:1`,
      "ice",
      "--state-dir",
      join(place.root, "empty-2"),
      "--mount-from",
      "no/such",
    );
    assert.equal(gone.mounted, 0);
    assert.ok(gone.sent > 0);
  });

  test("makes the image here where no registry is named, the same", async () => {
    const { digest } = await pullManifest(firn.url, "snow/ice");
    const env = { PACKAGE_SET: set.spec, PATH: set.originEnv["PATH"] ?? "" };
    const made = await place.firnText(["push", "ice/snow", `${registry.host}/here:1`], env);
    assert.equal(made.exitCode, 0, made.stderr);
    assert.equal(made.stdout.trim(), `${registry.host}/here@${digest}`);
    assert.equal((await pullManifest(registry.url, "here", "1")).digest, digest);
  });

  test("Ctrl-C ends a push that made its image first", async () => {
    const asked = Promise.withResolvers<void>();
    const server = createServer(() => asked.resolve()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const env = { PACKAGE_SET: set.spec, PATH: set.originEnv["PATH"] ?? "" };
    const pushing = place.firn(["push", "snow", `127.0.0.1:${port}/a:1`], env);
    try {
      await asked.promise;
      pushing.kill("SIGINT");
      const ended = pushing.then(({ exitCode }) => exitCode);
      assert.notEqual(await soon("the end of the push", ended), undefined);
    } finally {
      pushing.kill("SIGKILL");
      server.close();
      server.closeAllConnections();
    }
  });

  test("a blob of several chunks arrives whole", async () => {
    const { Registry } = await import("../../../origin/remote/registry.ts");
    const { pushImage } = await import("../../../origin/remote/push.ts");
    const { createHash, randomBytes } = await import("node:crypto");
    const bytes = randomBytes(70 * 2 ** 20);
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}` as const;
    const blob = {
      digest,
      size: bytes.length,
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    };
    const config = Buffer.from("{}");
    const configBlob = {
      digest: `sha256:${createHash("sha256").update(config).digest("hex")}` as const,
      size: config.length,
      mediaType: "application/vnd.oci.image.config.v1+json",
    };
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const text = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType, config: configBlob, layers: [blob] }),
    );
    const root = {
      digest: `sha256:${createHash("sha256").update(text).digest("hex")}` as const,
      size: text.length,
      mediaType,
    };
    const client = new Registry({
      url: new URL(registry.url),
      credentials: undefined,
      signal: new AbortController().signal,
    });
    const image = {
      root,
      platforms: [],
      blobs: [
        { ...blob, content: bytes },
        { ...configBlob, content: config },
        { ...root, content: text },
      ],
    };
    const events = { bytes: () => {}, blob: () => {} };
    const pushed = await pushImage(
      client,
      image,
      { repository: "big", reference: "1" },
      { sources: () => [], events },
    );
    assert.equal(pushed.sent, 2);
    const got = Buffer.from(
      await (await fetch(`${registry.url}/v2/big/blobs/${digest}`)).arrayBuffer(),
    );
    assert.ok(got.equals(bytes));
    assert.equal(registry.log().match(/PATCH \/v2\/big/g)?.length, 3);
  });

  for (const [what, to, status, says] of [
    ["a target without a repository", "127.0.0.1:5000", 2, /REGISTRY\/REPOSITORY:TAG/],
    ["a repository with capitals", "127.0.0.1:5000/Team:1", 2, /lower case/],
    ["a digest", `127.0.0.1:5000/team@sha256:${"0".repeat(64)}`, 2, /give a tag/],
    [
      "a registry that is not there",
      "127.0.0.1:22222/team:1",
      6,
      /127\.0\.0\.1:22222 cannot be reached/,
    ],
  ] as const) {
    test(`${what} ends with status ${status}`, async () => {
      const ran = await place.firnText(["push", "snow", to, "--from", firn.url]);
      assert.equal(ran.exitCode, status, ran.stderr);
      assert.match(ran.stderr, says);
    });
  }
});

describe("firn push with accounts", { skip }, () => {
  const auth = Buffer.from(`ci:${PASSWORD}`).toString("base64");

  test("a password of docker's config, of a credential helper, and a wrong one", async () => {
    const registry = await startDockerRegistry("htpasswd");
    try {
      const args = ["push", "snow", `${registry.host}/a:1`, "--from", firn.url];
      await place.dockerConfig({});
      const stranger = await place.firnText(args);
      assert.equal(stranger.exitCode, 5, stranger.stderr);
      assert.match(stranger.stderr, /answered 401 \(sign in with `docker login`\)/);
      // An account of Firn's is for Firn alone.
      const account = await place.firnText(args, { FIRN_USER: "ci", FIRN_PASSWORD: PASSWORD });
      assert.equal(account.exitCode, 5, account.stderr);
      const wrong = Buffer.from("ci:wrong horse battery").toString("base64");
      await place.dockerConfig({ auths: { [registry.host]: { auth: wrong } } });
      assert.equal((await place.firnText(args)).exitCode, 5);
      await place.dockerConfig({ auths: { [registry.host]: { auth } } });
      await push(`${registry.host}/a:1`);

      const bin = join(place.root, "helpers");
      await execa("mkdir", [bin]);
      const helper = join(bin, "docker-credential-test");
      await writeFile(
        helper,
        `#!/bin/sh\nread host\n[ "$1 $host" = "get ${registry.host}" ] || ` +
          `{ echo "credentials not found in native keychain"; exit 1; }\n` +
          `echo '${JSON.stringify({ ServerURL: registry.host, Username: "ci", Secret: PASSWORD })}'\n`,
      );
      await chmod(helper, 0o755);
      const PATH = `${bin}${delimiter}${process.env["PATH"] ?? ""}`;
      for (const config of [{ credHelpers: { [registry.host]: "test" } }, { credsStore: "test" }]) {
        await place.dockerConfig(config);
        const ran = await place.firnText(
          [...args.slice(0, 2), `${registry.host}/b:1`, ...args.slice(3)],
          { PATH },
        );
        assert.equal(ran.exitCode, 0, ran.stderr);
      }
    } finally {
      await place.dockerConfig({});
      await registry.stop();
    }
  });

  test("the token flow: a token for what is pushed, and for where blobs are taken from", async () => {
    const tokens = await startTokenServer();
    const registry = await startDockerRegistry({
      token: {
        realm: tokens.url,
        service: "test",
        issuer: "test",
        rootcertbundle: tokens.certificate,
      },
    });
    try {
      await place.dockerConfig({ auths: { [registry.host]: { auth } } });
      const first = await push(`${registry.host}/first:1`, "ice");
      assert.ok(first.sent > 0);
      const second = await push(`${registry.host}/second:1`, "ice");
      assert.deepEqual([second.sent, second.present], [0, 0]);
      assert.ok(
        tokens.scopes.some(
          (scopes) => scopes.join(" ") === "repository:first:pull repository:second:pull,push",
        ),
      );
      await place.dockerConfig({});
      const stranger = await place.firnText([
        "push",
        "ice",
        `${registry.host}/first:2`,
        "--from",
        firn.url,
      ]);
      assert.equal(stranger.exitCode, 5, stranger.stderr);
      await place.dockerConfig({ auths: { [registry.host]: { identitytoken: "an identity" } } });
      const identity = await push(
        `${registry.host}/third:1`,
        "ice",
        "--state-dir",
        join(place.root, "empty-3"),
      );
      assert.ok(identity.sent > 0);
    } finally {
      await place.dockerConfig({});
      await registry.stop();
      tokens.stop();
    }
  });
});

/**
 * Gives tokens to the account `ci` and to one identity token, by distribution's token
 * specification.
 */
async function startTokenServer() {
  const [keyFile, certFile] = [join(place.root, "token.key"), join(place.root, "token.crt")];
  await execa("openssl", [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    keyFile,
    "-out",
    certFile,
    "-subj",
    "/CN=tokens",
    "-days",
    "2",
  ]);
  const key = await importPKCS8(await readFile(keyFile, "utf8"), "ES256");
  const certificate = new X509Certificate(await readFile(certFile));
  const scopes: string[][] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const form = new URLSearchParams(body);
    const isAccount =
      request.headers.authorization === `Basic ${Buffer.from(`ci:${PASSWORD}`).toString("base64")}`;
    if (!isAccount && form.get("refresh_token") !== "an identity")
      return void response.writeHead(401).end();
    const asked =
      request.method === "POST"
        ? (form.get("scope") ?? "").split(" ")
        : url.searchParams.getAll("scope");
    scopes.push(asked);
    const access = asked.map((scope) => {
      const [type, name, actions = ""] = scope.split(":");
      return { type, name, actions: actions.split(",") };
    });
    const token = await new SignJWT({ access })
      .setProtectedHeader({ alg: "ES256", typ: "JWT", x5c: [certificate.raw.toString("base64")] })
      .setIssuer("test")
      .setAudience("test")
      .setSubject("ci")
      .setNotBefore("-10s")
      .setIssuedAt()
      .setExpirationTime("5m")
      .setJti(String(scopes.length))
      .sign(key);
    response.setHeader("content-type", "application/json").end(JSON.stringify({ token }));
  };
  const server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/token`,
    certificate: certFile,
    scopes,
    stop: () => (server.close(), server.closeAllConnections()),
  };
}
