/**
 * Aliases (`x/<key>`) on the command line: made by a registry, and used by every command that takes a
 * name.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ownPort } from "../../harness/ports.ts";
import { unavailable } from "../../harness/available.ts";
import {
  DOCKER_REGISTRY,
  type DockerRegistry,
  startDockerRegistry,
} from "../../harness/docker-registry.ts";
import { type Firn, firnUnavailable, startFirn } from "../../harness/firn.ts";
import { pullManifest } from "../../harness/registry-client.ts";
import { removeTree } from "../../harness/temp.ts";
import { type TinySet, tinySet } from "../../system/tiny-set.ts";
import { makePlace, type Place } from "./place.ts";

const skip = (await firnUnavailable()) || (await unavailable([DOCKER_REGISTRY]));

describe("an alias", { skip }, () => {
  let place: Place;
  let set: TinySet;
  let firn: Firn;
  let registry: DockerRegistry;
  let alias: string;
  let digest: string;
  before(async () => {
    place = await makePlace("aliases");
    set = await tinySet(place.root, 'snow = program "snow"; ice = program "ice";');
    [firn, registry] = await Promise.all([
      startFirn({ packageSet: set.spec, originEnv: set.originEnv }),
      startDockerRegistry(),
    ]);
    const made = await place.firnText(["alias", "snow", "ice", "--image", "--edge", firn.url]);
    alias = made.stdout.trim().slice(firn.host.length + 1);
    ({ digest } = await pullManifest(firn.url, "snow/ice"));
  });
  after(async () => {
    await registry?.stop();
    await firn?.stop();
    if (place !== undefined) await removeTree(place.root);
  });

  /** What a command writes; fails where it fails. `edge`: the registry, by FIRN_EDGE. */
  const run = async (edge: string, ...args: readonly string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await runAny(edge, ...args);
    assert.equal(exitCode, 0, stderr);
    return stdout.trim();
  };
  const runAny = (edge: string, ...args: readonly string[]) =>
    place.firnText(args, {
      FIRN_EDGE: edge,
      PACKAGE_SET: set.spec,
      PATH: set.originEnv["PATH"] ?? "",
    });

  test("firn build makes the image of its packages", async () => {
    assert.match(alias, /^x\/[0-9a-f]{40}$/);
    assert.equal(await run(firn.url, "build", alias, "--output", "oci:built"), digest);
    assert.equal(
      await run(firn.url, "build", `amd64/${alias}/snow`, "--output", "oci:built"),
      digest,
    );
  });

  test("firn push makes it here, or pulls it", async () => {
    const { host } = registry;
    assert.equal(await run(firn.url, "push", alias, `${host}/here:1`), `${host}/here@${digest}`);
    const pulled = await run(firn.url, "push", alias, `${host}/pulled:1`, "--from", firn.url);
    assert.equal(pulled, `${host}/pulled@${digest}`);
  });

  test("firn export, mirror, inspect and diff leave it to the registry", async () => {
    assert.equal(await run(firn.url, "export", alias, "oci:images"), digest);
    await writeFile(join(place.root, "list"), `${alias}\n`);
    assert.match(await run(firn.url, "mirror", "list"), new RegExp(`^new  ${alias}.*${digest}`));
    const { platforms } = JSON.parse(await run(firn.url, "inspect", alias, "--json")) as {
      platforms: { manifest: { digest: string } | null }[];
    };
    assert.equal(platforms.length, 1);
    assert.match(await run(firn.url, "diff", "snow", alias), /ice/);
  });

  test("one that the registry does not have, and no registry, are told with what to do", async () => {
    const none = `x/${"0".repeat(40)}`;
    const unknown = await runAny(firn.url, "build", none, "--output", "oci:none");
    assert.equal(unknown.exitCode, 4, unknown.stderr);
    assert.match(unknown.stderr, /only a registry can say what the alias x\/0+ stands for/);
    assert.match(unknown.stderr, /--edge \(FIRN_EDGE\), or write the packages/);
    const closed = `http://127.0.0.1:${await ownPort()}`;
    const nobody = await runAny(closed, "build", alias, "--output", "oci:none");
    assert.equal(nobody.exitCode, 6);
    assert.match(nobody.stderr, /127\.0\.0\.1:\d+ cannot be reached.*--edge \(FIRN_EDGE\)/);
  });

  test("a registry that gives another list is not believed", async () => {
    const list = { packages: ["other"], shell: false, name: alias, pull: "" };
    const liar = createServer((_, response) =>
      response.end(JSON.stringify({ ...list, key: alias.slice(2) })),
    );
    liar.listen(0, "127.0.0.1");
    await once(liar, "listening");
    const url = `http://127.0.0.1:${(liar.address() as AddressInfo).port}`;
    const { exitCode, stderr } = await runAny(url, "build", alias, "--output", "oci:none");
    liar.close();
    assert.equal(exitCode, 1);
    assert.match(stderr, /a list that does not match the alias/);
  });

  test("a name without one asks nobody", async () => {
    const made = await run("http://127.0.0.1:1", "build", "ice/snow", "--output", "oci:built");
    assert.equal(made, digest);
  });
});
