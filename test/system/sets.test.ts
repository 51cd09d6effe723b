/**
 * `npm start` with every other kind of package set: what a real client pulls and runs is what the
 * repository, the channel or the directory holds now, and what it held before is still there by its
 * digest.
 */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { execa } from "execa";
import { unavailable } from "../harness/available.ts";
import { type Client, containerd } from "../harness/clients/index.ts";
import { firnUnavailable } from "../harness/firn.ts";
import { commitFiles, makeRepository } from "../harness/git-repository.ts";
import { OPENSSL, startWebServer, type WebServer } from "../harness/https-server.ts";
import { ownPort } from "../harness/ports.ts";
import { pullManifest } from "../harness/registry-client.ts";
import { StartProcess } from "../harness/start-process.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { until } from "../harness/until.ts";
import { packageSet } from "../origin/nix/support.ts";
import { BASE, BUSYBOX, SHELL } from "./tiny-set.ts";

const skip =
  (await firnUnavailable()) ||
  (await unavailable([BUSYBOX, OPENSSL, ...containerd.needs], { root: true }));
const IMAGE = "sh/snow";
const CHANNEL = "nixos-unstable";

/** A package set whose `snow` says this. */
const saying = (text: string): string =>
  packageSet(
    `${BASE}${SHELL}
    snow = mk "snow" ("mkdir -p $out/bin; printf '#!/bin/sh\\necho ${text}\\n' > $out/bin/snow; "
      + "chmod +x $out/bin/snow");`,
    "the same in every revision",
  );

const manifest = async (
  url: string,
  tag = "latest",
): Promise<{ digest: string; revision: string | null }> => {
  const { digest, headers } = await pullManifest(url, IMAGE, tag);
  return { digest, revision: headers.get("firn-revision") };
};

/** What the tag means once it means something else than `old`. */
const changed = (url: string, old: string): Promise<Awaited<ReturnType<typeof manifest>>> =>
  until("another digest", async () => {
    const now = await manifest(url);
    return now.digest === old ? undefined : now;
  });

describe("npm start with a package set of one's own", { skip }, () => {
  let root: string;
  let run: StartProcess | undefined;
  let client: Client;
  beforeEach(async () => {
    root = await tempDir("own");
    client = await containerd.open();
  });
  afterEach(async (context) => {
    if ("passed" in context && !context.passed)
      process.stderr.write(`${run?.lines.join("\n") ?? ""}\n`);
    await run?.end("SIGTERM");
    await client.close();
    await removeTree(root);
  });

  /** Starts Firn with a package set; its URL, when pulls work. */
  const start = async (env: Readonly<Record<string, string>>): Promise<string> => {
    run = new StartProcess({
      PORT: String(await ownPort()),
      FIRN_STATE: join(root, "state"),
      SYSTEMS: "x86_64-linux",
      TAG_FRESH: "1",
      ...env,
    });
    return run.ready();
  };
  /** Pulls the image anew with the client, runs it, and tells what it says. */
  const says = async (url: string, reference = ":latest"): Promise<string> => {
    const image = `${new URL(url).host}/${IMAGE}${reference}`;
    await client.pull(image);
    const { exitCode, stdout, stderr } = await client.run(image, ["snow"]);
    assert.equal(exitCode, 0, stderr);
    return stdout;
  };
  test("git: latest is the newest commit, and a branch, a tag or a commit is itself", async () => {
    const first = await makeRepository(root, "set", { "default.nix": saying("one") });
    const url = await start({ PACKAGE_SET: `git:file://${root}/set.git` });
    const before = await manifest(url);
    assert.equal(before.revision, first);
    assert.equal(await says(url), "one");
    await until("tags/list shows the branch that nobody has pulled by", async () => {
      const listed = await fetch(`${url}/v2/${IMAGE}/tags/list`);
      return ((await listed.json()) as { tags: string[] }).tags.includes("main");
    });

    const second = await commitFiles(root, "set", { "default.nix": saying("two") });
    const after = await changed(url, before.digest);
    assert.equal(after.revision, second);
    assert.equal(await says(url), "two");
    assert.equal(await says(url, `:${first}`), "one");
    assert.deepEqual(await manifest(url, "main"), after);
    assert.deepEqual(await manifest(url, first), before);
  });

  test("channel: latest is the commit that the channel names, and its archive is what is built", async () => {
    const web = join(root, "web");
    const [first, second] = ["1".repeat(40), "2".repeat(40)];
    await archive(web, first, "one");
    await archive(web, second, "two");
    await publish(web, first);
    const server: WebServer = await startWebServer(web, join(root, "tls"));
    try {
      const url = await start({
        PACKAGE_SET: `channel:${CHANNEL}`,
        CHANNELS_URL: `${server.http}/channels`,
        ARCHIVE_URL: `${server.http}/archive/{revision}.tar.gz`,
      });
      const before = await manifest(url);
      assert.equal(before.revision, first);
      assert.equal(await says(url), "one");

      await publish(web, second);
      const after = await changed(url, before.digest);
      assert.equal(after.revision, second);
      assert.equal(await says(url), "two");
      assert.deepEqual(await manifest(url, CHANNEL), after);
      assert.deepEqual(await manifest(url, first), before);
    } finally {
      await server.close();
    }
  });

  test("path: a changed file is another image, and what was pulled before stays", async () => {
    const set = join(root, "set");
    await mkdir(set);
    await writeFile(join(set, "default.nix"), saying("one"));
    const url = await start({ PACKAGE_SET: `path:${set}` });
    const before = await manifest(url);
    assert.equal(await says(url), "one");

    await writeFile(join(set, "default.nix"), saying("two"));
    const after = await changed(url, before.digest);
    assert.notEqual(after.revision, before.revision);
    assert.equal(await says(url), "two");
    assert.equal(await says(url, `@${before.digest}`), "one");

    await writeFile(join(set, "default.nix"), saying("one"));
    assert.deepEqual(await changed(url, after.digest), before, "the same files, the same image");
  });
});

/** Makes the channel name a commit, as the channels' host publishes it. */
async function publish(web: string, revision: string): Promise<void> {
  await mkdir(join(web, "channels", CHANNEL), { recursive: true });
  await writeFile(join(web, "channels", CHANNEL, "git-revision"), `${revision}\n`);
}

/** The archive of a commit: one top directory, as GitHub packs it. */
async function archive(web: string, revision: string, text: string): Promise<void> {
  const folder = join(web, "archive");
  const top = `nixpkgs-${revision}`;
  await mkdir(join(folder, top), { recursive: true });
  await writeFile(join(folder, top, "default.nix"), saying(text));
  await execa("tar", ["-czf", `${revision}.tar.gz`, top], { cwd: folder });
}
