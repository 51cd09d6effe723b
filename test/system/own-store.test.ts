/**
 * Two Firns that share nothing but the package set, not even /nix, make the same image: the second
 * one runs in a mount namespace where an empty directory lies over /nix, so its Nix has another
 * store and another database, and builds everything anew.
 */
import assert from "node:assert/strict";
import { access, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { firnUnavailable } from "../harness/firn.ts";
import { ownNixUnavailable, withDirectoryAsNix } from "../harness/own-nix.ts";
import type { PulledImage } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { tinySet } from "./tiny-set.ts";

const PULL_ALONE = fileURLToPath(new URL("pull-alone.ts", import.meta.url));

const skip = (await firnUnavailable()) || (await ownNixUnavailable());

/**
 * Equal files, links, a directory without a write bit, references: what a store may hold
 * differently.
 */
const ATTRIBUTES = `
  lib = mk "lib" ''
    mkdir -p $out/lib $out/empty
    for name in one two three; do echo the same > $out/lib/$name; done
    ln $out/lib/one $out/lib/hard
    ln -s one $out/lib/soft
    chmod 555 $out/empty
  '';
  tool = mk "tool" ''
    mkdir -p $out/bin; echo '#!/bin/sh' > $out/bin/tool; chmod 755 $out/bin/tool
    ln -s \${lib} $out/lib
  '';
`;

test(
  "two origins with separate Nix stores give one digest",
  { skip, timeout: 180_000 },
  async () => {
    const root = await tempDir("own-store");
    try {
      const set = await tinySet(root, ATTRIBUTES);
      const nix = join(root, "nix");
      await mkdir(nix);
      const pull = async (
        prefix: readonly string[],
        nixConfig: string,
      ): Promise<Pick<PulledImage, "digest" | "manifest">> => {
        const originEnv = JSON.stringify(set.originEnv);
        const program = [process.execPath, PULL_ALONE, set.spec, originEnv, "tool"];
        const [command = "", ...args] = [...prefix, ...program];
        const { stdout } = await execa(command, args, {
          env: { NIX_CONFIG: nixConfig },
          cancelSignal: AbortSignal.timeout(150_000),
        });
        return JSON.parse(stdout) as Pick<PulledImage, "digest" | "manifest">;
      };
      const common = await pull([], "");
      // The other store joins equal files into hard links, as an operator may want.
      const own = await pull(withDirectoryAsNix(nix), "auto-optimise-store = true");
      assert.deepEqual(own, common);

      const built = (await readdir(join(nix, "store"))).filter((path) => /-(lib|tool)$/.test(path));
      assert.equal(built.length, 2, "the second origin built both packages in its own store");
      for (const path of built) await access(join("/nix/store", path));
    } finally {
      await removeTree(root);
    }
  },
);
