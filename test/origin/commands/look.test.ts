/** `firn inspect`, `firn diff` and `firn search` against the JSON API of a real Firn. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Firn, firnUnavailable, startFirn } from "../../harness/firn.ts";
import { pullManifest } from "../../harness/registry-client.ts";
import { removeTree } from "../../harness/temp.ts";
import { tinySet } from "../../system/tiny-set.ts";
import { makePlace, type Place } from "./place.ts";

const skip = await firnUnavailable();

describe("looking at images", { skip }, () => {
  let place: Place;
  let firn: Firn;
  let digest: string;
  before(async () => {
    place = await makePlace("look");
    const set = await tinySet(
      place.root,
      'snow = program "snow"; snowball = program "snowball"; ice = program "ice";',
    );
    firn = await startFirn({ packageSet: set.spec, originEnv: set.originEnv });
    ({ digest } = await pullManifest(firn.url, "snow"));
    await pullManifest(firn.url, "snow/ice");
  });
  after(async () => {
    await firn?.stop();
    if (place !== undefined) await removeTree(place.root);
  });
  const run = (...args: readonly string[]) => place.firnText([...args, "--edge", firn.url]);

  test("inspect shows digests, packages and layers with their sizes; --closure all store paths", async () => {
    const made = await run("inspect", "snow", "--has", "ice", "--closure");
    assert.equal(made.exitCode, 0, made.stderr);
    assert.match(made.stdout, /^snow:latest\npackage set path, revision [0-9a-f]{40}\n/);
    assert.ok(made.stdout.includes(digest));
    assert.match(made.stdout, /^ {2}snow +[\d.]+ k?B/m);
    assert.match(made.stdout, /links to the packages/);
    assert.match(made.stdout, /^\d+ layers?, [\d.]+ k?B to fetch, [\d.]+ k?B unpacked$/m);
    assert.match(made.stdout, /^a client that has ice fetches \d+ layers?, /m);
    assert.match(made.stdout, /\/nix\/store\/[a-z0-9]{32}-snow/);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(made.stdout, /\u001b/);
    const json = JSON.parse((await run("inspect", "snow", "--json")).stdout);
    assert.equal(json.platforms[0].manifests[0].digest, digest);
  });

  test("inspect builds nothing, and says what must be built; what does not exist is status 4", async () => {
    const unbuilt = await run("inspect", "snowball");
    assert.equal(unbuilt.exitCode, 0, unbuilt.stderr);
    assert.match(unbuilt.stdout, /to be built: .*snowball/);
    const unknown = await run("inspect", "snwo");
    assert.equal(unknown.exitCode, 4, unknown.stdout + unknown.stderr);
    assert.match(unknown.stdout, /nearest: .*snow/);
    assert.equal((await run("inspect", "Snow")).exitCode, 2);
    assert.equal((await run("inspect", `snow@${digest}`)).exitCode, 2);
  });

  test("diff says what came and what a client moves; --exit-code that they differ", async () => {
    const made = await run("diff", "snow", "snow/ice", "--exit-code");
    assert.equal(made.exitCode, 3, made.stderr);
    assert.match(made.stdout, /^- snow:latest {2}revision /m);
    assert.match(made.stdout, /^\+ ice\/snow:latest|^\+ snow\/ice:latest/m);
    assert.match(made.stdout, /^ {2}\+ ice /m);
    assert.match(made.stdout, /who has the first fetches \d+ layers?, /);
    const same = await run("diff", "snow", "snow", "--exit-code", "--json");
    assert.equal(same.exitCode, 0, same.stderr);
    assert.equal(JSON.parse(same.stdout).moved.layers, 0);
  });

  test("search finds packages by name, and says with status 4 that there is none", async () => {
    const made = await run("search", "sno");
    assert.equal(made.exitCode, 0, made.stderr);
    assert.match(made.stdout, /^PACKAGE .*\nsnow/);
    assert.match(made.stdout, /^snowball/m);
    const few = await run("search", "snow", "--limit", "1");
    assert.match(few.stdout, /and 1 more: --limit shows them/);
    const none = await run("search", "zzzzzzzz", "--json");
    assert.equal(none.exitCode, 4, none.stderr);
    assert.deepEqual(JSON.parse(none.stdout).packages, []);
  });

  test("a host that is no Firn is told as such", async () => {
    const made = await place.firnText(["inspect", "snow", "--edge", "http://127.0.0.1:22222"]);
    assert.equal(made.exitCode, 6);
    assert.match(made.stderr, /127\.0\.0\.1:22222 cannot be reached/);
  });
});
