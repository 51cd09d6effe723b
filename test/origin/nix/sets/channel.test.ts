import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { FailureError } from "../../../../origin/nix/types.ts";
import {
  needs,
  open,
  packageSet,
  signal,
  summary,
  system,
  temporary,
  unknownRevision,
} from "../support.ts";

const nix = { ...needs("nix-build", "tar", "gzip"), timeout: 120_000 };
const ONE = "1".repeat(40);
const TWO = "2".repeat(40);

const SIGNED_IN = `Basic ${Buffer.from("snow:s3cret/").toString("base64")}`;

const failedWith = (reason: string, words: RegExp) => (error: unknown) =>
  error instanceof FailureError && error.failure.reason === reason && words.test(error.message);

/**
 * Answers as the channels' host and the archive do: a redirect to the release, then its revision;
 * archives with one top directory.
 */
async function host(t: TestContext) {
  const directory = temporary(t);
  const asked: string[] = [];
  const archive = (revision: string): Buffer => {
    const top = join(directory, `nixpkgs-${revision}`);
    mkdirSync(top, { recursive: true });
    writeFileSync(
      join(top, "default.nix"),
      packageSet(`a = program "a"; revision = program "r${revision[0]}";`),
    );
    execFileSync("tar", [
      "-C",
      directory,
      "-czf",
      join(directory, `${revision}.tar.gz`),
      `nixpkgs-${revision}`,
    ]);
    return readFileSync(join(directory, `${revision}.tar.gz`));
  };
  const files = new Map<string, Buffer | string>([
    ["/releases/1/git-revision", `${ONE}\n`],
    ["/channels/odd/git-revision", "<html>"],
    ["/archive/" + ONE, archive(ONE)],
    ["/archive/" + TWO, archive(TWO)],
  ]);
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    asked.push(url);
    // No part of this host but /private asks for a password.
    if (url.startsWith("/private/"))
      return request.headers.authorization === SIGNED_IN
        ? response.end(`${TWO}\n`)
        : response.writeHead(401).end();
    if (url === "/channels/nixos-unstable/git-revision")
      return response.writeHead(302, { location: "/releases/1/git-revision" }).end();
    if (url === "/channels/down/git-revision") return response.writeHead(500).end();
    const file = files.get(url);
    return file === undefined ? response.writeHead(404).end() : response.end(file);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    options: { channels: `${base}/channels`, archive: `${base}/archive/{revision}` },
    asked,
    server,
  };
}

test("a tag is a channel or a commit; latest is the configured channel", nix, async (t) => {
  const { options } = await host(t);
  const set = await open(t, "channel:nixos-unstable", options);
  assert.equal(await set.resolve("latest", signal), ONE);
  assert.equal(await set.resolve("nixos-unstable", signal), ONE);
  assert.equal(await set.resolve(TWO, signal), TWO);
  assert.equal(await (await open(t, `channel:${TWO}`, options)).resolve("latest", signal), TWO);
  await assert.rejects(
    set.resolve("nixos-0.1", signal),
    failedWith("unknown", /no channel nixos-0\.1: tags are/),
  );
  await assert.rejects(set.resolve("../../etc", signal), failedWith("unknown", /no channel/));
  await assert.rejects(set.resolve("down", signal), failedWith("error", /HTTP 500/));
  await assert.rejects(set.resolve("odd", signal), failedWith("error", /no commit/));
});

test("user and password of the channels' URL are sent, and shown to nobody", nix, async (t) => {
  const { options, server } = await host(t);
  const { host: authority } = new URL(options.channels);
  const channels = `http://snow:s3cret%2F@${authority}/private`;
  const set = await open(t, "channel:nixos-unstable", { ...options, channels });
  assert.equal(await set.resolve("latest", signal), TWO);
  server.closeAllConnections();
  server.close();
  await assert.rejects(set.resolve("latest", signal), (error: Error) => {
    assert.match(error.message, /cannot be reached/);
    assert.doesNotMatch(error.message, /s3cret/);
    return true;
  });
});

test(
  "a revision is downloaded once for all jobs, and stays when the host is gone",
  nix,
  async (t) => {
    const { options, asked, server } = await host(t);
    const stateDir = temporary(t);
    const set = await open(t, "channel:nixos-unstable", { ...options, stateDir });
    const build = async (from: typeof set, revision: string) =>
      summary(
        await from.build({ revision, system, names: ["a", "revision"] }, { signal, log: () => {} }),
      );
    assert.deepEqual(await Promise.all([build(set, ONE), build(set, ONE)]), [
      { a: "a", revision: "revision" },
      { a: "a", revision: "revision" },
    ]);
    await build(set, TWO);
    assert.deepEqual(
      asked.filter((url) => url.startsWith("/archive")),
      [`/archive/${ONE}`, `/archive/${TWO}`],
    );
    server.closeAllConnections();
    server.close();
    assert.deepEqual(
      await build(await open(t, "channel:nixos-unstable", { ...options, stateDir }), ONE),
      { a: "a", revision: "revision" },
    );
    await assert.rejects(set.resolve("latest", signal), failedWith("error", /cannot be reached/));
  },
);

test("a commit that nixpkgs does not have is unknown", nix, async (t) => {
  const { options } = await host(t);
  const set = await open(t, "channel:nixos-unstable", options);
  const revision = "3".repeat(40);
  const build = set.build({ revision, system, names: ["a"] }, { signal, log: () => {} });
  await assert.rejects(build, unknownRevision(revision, "set"));
});
