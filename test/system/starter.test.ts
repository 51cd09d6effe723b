/**
 * The starter set through two whole Firns that share nothing: the same image to the byte, and a
 * file system that is whole.
 */
import assert from "node:assert/strict";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { unavailable } from "../harness/available.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { type PulledImage, pullImage, unpackImage } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";

const skip = (await firnUnavailable()) || (await unavailable([], { root: true }));
const IMAGE = "shell/jq/tmux";
/** elf(5): where a program says for which machine it is. */
const ELF = Buffer.from("\x7fELF", "latin1");
const E_MACHINE = 18;
const EM_AARCH64 = 183;

describe("the starter set through two Firns", { skip }, () => {
  let root: string;
  let firns: Firn[] = [];
  let images: PulledImage[];
  before(async () => {
    root = await tempDir("two");
    firns = await Promise.all([startFirn(), startFirn()]);
    images = await Promise.all(firns.map((firn) => pullImage(firn.url, IMAGE)));
  });
  after(async () => {
    await Promise.all(firns.map((firn) => firn.stop()));
    await removeTree(root);
  });

  test("both have the same digest", () => {
    assert.equal(images[1]?.digest, images[0]?.digest);
  });

  test("the unpacked image runs in itself alone, and is what an image must be", async () => {
    const [image] = images;
    assert.ok(image !== undefined);
    const tree = join(root, "image");
    await unpackImage(image, tree);
    const { stdout } = await execa(
      "chroot",
      [tree, "/bin/bash", "-c", 'echo \'{"six":"arms"}\' | jq -r .six; type -p nano'],
      { env: { PATH: "/bin:/usr/sbin" }, extendEnv: false },
    );
    assert.equal(stdout, "arms\n/bin/nano");
    assert.equal((await stat(join(tree, "tmp"))).mode & 0o7777, 0o1777);
    assert.match(await readFile(join(tree, "etc/passwd"), "utf8"), /^root:x:0:0:/);
    assert.match(await readlink(join(tree, "usr/bin/env")), /^(\/nix\/store\/|(\.\.\/)*\/?bin\/)/);
  });

  test("programs speak UTF-8, with what the image's environment says", async () => {
    const [image] = images;
    assert.ok(image !== undefined);
    const tree = join(root, "utf8");
    await unpackImage(image, tree);
    const own = Object.fromEntries(
      (image.config.config.Env ?? []).map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
    assert.equal(own["LANG"], "C.UTF-8");
    const inImage = (script: string, more: Record<string, string> = {}) =>
      execa("/usr/sbin/chroot", [tree, "/bin/bash", "-c", script], {
        env: { ...own, ...more },
        extendEnv: false,
        reject: false,
      });
    const letter = "text=$'\\xc3\\xa9'; echo ${#text}";
    assert.equal((await inImage(letter)).stdout, "1");
    assert.equal((await inImage(letter, { LANG: "C" })).stdout, "2", "it is LANG that does it");
    assert.match(
      (await inImage("tmux list-sessions")).stderr,
      /no server running|error connecting/,
    );
  });

  test("arm64 and amd64 are two images of the same name", async () => {
    const [firn] = firns;
    assert.ok(firn !== undefined);
    const foreign = await pullImage(firn.url, "arm64/hello");
    const own = await pullImage(firn.url, "hello");
    assert.deepEqual([foreign.config.architecture, own.config.architecture], ["arm64", "amd64"]);
    assert.notEqual(foreign.digest, own.digest);
    const tree = join(root, "foreign");
    await unpackImage(foreign, tree);
    const store = (await readdir(join(tree, "nix/store"))).find((name) =>
      /-hello-[0-9.]+$/.test(name),
    );
    const program = await readFile(join(tree, "nix/store", store ?? "", "bin/hello"));
    assert.equal(program.readUInt16LE(E_MACHINE), EM_AARCH64);
  });

  test("every program and link of an arm64 image leads to an arm64 program in the image", async () => {
    const [firn] = firns;
    assert.ok(firn !== undefined);
    const tree = join(root, "links");
    await unpackImage(await pullImage(firn.url, "arm64/coreutils"), tree);
    const programs = [
      "usr/bin/env",
      ...(await readdir(await inTree(tree, "bin"))).map((name) => `bin/${name}`),
    ];
    assert.ok(programs.includes("bin/ls"));
    for (const program of programs) {
      const file = await readFile(await inTree(tree, program));
      // Nixery's /usr/bin/env was the host's own.
      if (file.subarray(0, 4).equals(ELF))
        assert.equal(file.readUInt16LE(E_MACHINE), EM_AARCH64, program);
    }
  });
});

const names = (path: string): string[] => path.split("/").filter(Boolean);

/** The file that a path leads to within the unpacked image, as a container sees it. */
async function inTree(tree: string, path: string): Promise<string> {
  const ahead = names(path);
  let at = "/";
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    const target = await readlink(join(tree, at, name)).catch(() => undefined);
    if (target === undefined) at = join(at, name);
    else {
      ahead.unshift(...names(target));
      if (target.startsWith("/")) at = "/";
    }
  }
  return join(tree, at);
}
