/**
 * docker, containerd, podman, buildah and skopeo pull images that did not exist, run them, and the
 * images do real work.
 */
import assert from "node:assert/strict";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { CLIENTS } from "../harness/clients/index.ts";
import { unavailable } from "../harness/available.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { makeRepository } from "../harness/git-repository.ts";
import { OPENSSL, startWebServer, type WebServer } from "../harness/https-server.ts";
import { pullManifest } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { forEachClient } from "./each-client.ts";
import { type Surroundings, WORK } from "./work.ts";

const skip = (await firnUnavailable()) || (await unavailable([OPENSSL]));
const IMAGES = [...new Set(WORK.map((work) => work.image)), "xorg.xeyes"];
const FOREIGN = "arm64/hello";

describe("real clients", { skip, concurrency: true }, () => {
  let root: string;
  let firn: Firn;
  let web: WebServer;
  let surroundings: Surroundings;

  before(async () => {
    root = await tempDir("work");
    const given = join(root, "given");
    await mkdir(given);
    const commit = await makeRepository(given, "snow", { "flake.txt": "six arms\n" });
    await writeFile(join(given, "hello.txt"), "hello over TLS\n");
    web = await startWebServer(given, join(root, "tls"));
    await copyFile(web.authority, join(given, "ca.crt"));
    surroundings = { given, commit, http: web.http, https: web.https };
    firn = await startFirn();
  });
  after(async () => {
    await firn?.stop();
    await web?.close();
    await removeTree(root);
  });

  afterEach((context) => {
    if ("passed" in context && !context.passed) process.stderr.write(`${firn.log()}\n`);
  });

  forEachClient({ kinds: CLIENTS, url: () => firn.url }, (given) => {
    /** Pulls once, whichever tests run. */
    const pulls = new Map<string, Promise<void>>();
    const pulled = async (name: string, platform: string): Promise<string> => {
      const image = `${firn.host}/${name}`;
      const pull = pulls.get(name) ?? given.client.pull(image, platform);
      pulls.set(name, pull);
      await pull;
      return image;
    };
    for (const image of IMAGES) {
      test(`pulls ${image}`, { skip: given.skip }, async () => {
        assert.equal(await given.client.architecture(await pulled(image, "linux/amd64")), "amd64");
      });
    }
    test(`pulls ${FOREIGN}`, { skip: given.skip }, async () => {
      assert.equal(await given.client.architecture(await pulled(FOREIGN, "linux/arm64")), "arm64");
    });
    test("pulls by digest", { skip: given.skip }, async () => {
      const { digest } = await pullManifest(firn.url, "shell/git/curl");
      await given.client.pull(`${firn.host}/shell/git/curl@${digest}`);
    });
    // Not every client prints the registry's message; the name of the image proves nothing.
    test("says that there is no such image", { skip: given.skip }, async () => {
      await assert.rejects(
        given.client.pull(`${firn.host}/shell/no-such-package`),
        /manifest[ _]unknown|no-such-package:\S*"?: not found/i,
      );
    });
    for (const work of WORK) {
      test(work.title, { skip: given.skip }, async () => {
        const image = await pulled(work.image, "linux/amd64");
        work.check(
          await given.client.run(image, work.command(surroundings), work.options(surroundings)),
          surroundings,
        );
      });
    }
  });
});
