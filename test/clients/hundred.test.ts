/**
 * docker pulls a hundred packages by one short name, which `firn alias` has made: more than an
 * image's name can hold, and nearly as many as docker can mount. Building and packing them takes
 * minutes: `npm test -- --starter-all` runs it.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { execa } from "execa";
import { MAX_LAYERS } from "../../edge/contract/records.ts";
import type { Recipe } from "../../origin/starter/resolve.ts";
import { unavailable } from "../harness/available.ts";
import { type Client, docker } from "../harness/clients/index.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullManifest } from "../harness/registry-client.ts";

const skip = (await firnUnavailable()) || (await unavailable(docker.needs, { root: true }));
const ROOT = join(import.meta.dirname, "../..");
/** The largest, without which the image has half a gigabyte. */
const LARGE = new Set(
  `ImageMagick SDL2 caddy cmake ffmpeg gdb graphviz haskellPackages.ShellCheck hugo jdk nodejs php
  postgresql prometheus restic ruby shellcheck skopeo`.split(/\s+/),
);
/** All of them are built, packed and pulled, milliseconds. */
const TIMEOUT = 600_000;

describe("a hundred packages by an alias", { skip, timeout: TIMEOUT }, () => {
  let firn: Firn;
  let client: Client;
  before(async () => {
    firn = await startFirn();
    client = await docker.open();
  });
  after(async () => {
    await client?.close();
    await firn?.stop();
  });

  afterEach((context) => {
    if ("passed" in context && !context.passed) process.stderr.write(`${firn.log()}\n`);
  });

  test("firn alias names them, docker pulls and runs them", { timeout: TIMEOUT }, async (t) => {
    const recipe = await readFile(join(ROOT, "nix/starter/packages.json"), "utf8");
    const { attributes } = JSON.parse(recipe) as Recipe;
    const names = Object.keys(attributes)
      .filter((name) => !LARGE.has(name))
      .map((name) => name.toLowerCase().replace(/^_/, ""));
    assert.ok(names.length >= 100, `${names.length} packages`);
    assert.ok(names.join("/").length > 255);

    const { stdout: image } = await execa(
      process.execPath,
      [join(ROOT, "origin/main.ts"), "alias", "--image", "shell", "-"],
      { env: { FIRN_EDGE: firn.url }, input: names.join("\n") },
    );
    assert.match(image, new RegExp(`^${firn.host}/x/[0-9a-f]{40}$`));
    await client.pull(image);
    const { manifest } = await pullManifest(firn.url, image.slice(firn.host.length + 1));
    assert.ok(manifest.layers.length <= MAX_LAYERS, `${manifest.layers.length} layers`);
    t.diagnostic(`${names.length} packages, ${manifest.layers.length} layers`);

    const words = [
      "git --version",
      "jq --version",
      "python3 -c 'import flask, numpy'",
      "zsh --version",
    ];
    const ran = await client.run(image, ["bash", "-c", words.join(" && ")]);
    assert.equal(ran.exitCode, 0, ran.stderr);
    assert.match(ran.stdout, /git version [^]*jq-[^]*zsh \d/);
  });
});
