/**
 * Clients pull a list of packages by its alias, and what they got by everything that pins it:
 * digest, revision and day.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { execa } from "execa";
import type { AliasAnswer } from "../../edge/contract/alias.ts";
import { unavailable } from "../harness/available.ts";
import { CLIENTS, skopeo } from "../harness/clients/index.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { pullManifest } from "../harness/registry-client.ts";
import { forEachClient } from "./each-client.ts";

const skip = await firnUnavailable();
const noSkopeo = await unavailable(skopeo.needs);

describe("an alias", { skip }, () => {
  let firn: Firn;
  let name: string;
  before(async () => {
    firn = await startFirn();
    const answer = await fetch(new URL("/api/aliases", firn.url), {
      method: "POST",
      body: JSON.stringify(["shell", "jq", "hello"]),
    });
    const alias = (await answer.json()) as AliasAnswer;
    assert.equal(alias.pull, `docker pull ${firn.host}/x/${alias.key}`);
    ({ name } = alias);
  });
  after(() => firn?.stop());
  afterEach((context) => {
    if ("passed" in context && !context.passed) process.stderr.write(`${firn.log()}\n`);
  });

  test("skopeo lists its tags", { skip: noSkopeo }, async () => {
    const image = `docker://${firn.host}/${name}`;
    const { stdout } = await execa("skopeo", ["list-tags", "--tls-verify=false", image]);
    assert.deepEqual((JSON.parse(stdout) as { Tags: string[] }).Tags, ["latest"]);
  });

  forEachClient({ kinds: CLIENTS, url: () => firn.url }, (given) => {
    test("pulls it, and runs all that is in it", { skip: given.skip }, async () => {
      const image = `${firn.host}/${name}`;
      await given.client.pull(image);
      const ran = await given.client.run(image, ["bash", "-c", "hello && jq --version"]);
      assert.match(ran.stdout, /^Hello, world!\njq-/, inspect(ran));
    });
    test("pulls it by digest, and beside another package", { skip: given.skip }, async () => {
      const { digest } = await pullManifest(firn.url, name);
      await given.client.pull(`${firn.host}/${name}@${digest}`);
      await given.client.pull(`${firn.host}/${name}/tree`);
    });
    test("pulls what it got by its revision, and by the day", { skip: given.skip }, async () => {
      const { digest, headers } = await pullManifest(firn.url, name);
      const revision = headers.get("firn-revision") ?? "";
      const day = new Date().toISOString().slice(0, "yyyy-mm-dd".length);
      for (const tag of [revision, day]) {
        await given.client.pull(`${firn.host}/${name}:${tag}`);
        assert.equal((await pullManifest(firn.url, name, tag)).digest, digest, tag);
      }
    });
  });
});
