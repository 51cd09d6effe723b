/**
 * Two origins of one farm, each with a Nix store of its own: what the first one built, and stored
 * in the farm's binary cache, the second takes from there.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { originEnv } from "../../origin/local/origin.ts";
import { originPublicKey } from "../../origin/local/secrets.ts";
import { firnUnavailable, startFirn } from "../harness/firn.ts";
import { ownNixUnavailable, withSmallNix } from "../harness/own-nix.ts";
import { pullImage } from "../harness/registry-client.ts";
import { until } from "../harness/until.ts";
import { cleanUp } from "../harness/clean-up.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { tinySet } from "./tiny-set.ts";
import { tied } from "../../origin/process-tie.ts";

const MAIN = fileURLToPath(new URL("../../origin/main.ts", import.meta.url));
const skip = (await firnUnavailable()) || (await ownNixUnavailable());

test("a derivation is built once for the whole farm", { skip, timeout: 240_000 }, async (t) => {
  const atEnd = cleanUp(t);
  const root = await tempDir("shared");
  atEnd(() => removeTree(root));
  const mark = join(root, "mark");
  await writeFile(mark, "");
  const set = await tinySet(
    root,
    `lib = mk "lib" "mkdir -p $out/lib; echo lib > $out/lib/lib; echo built >> ${mark}";
     first = mk "first" "mkdir -p $out/share; ln -s \${lib} $out/share/first";
     second = mk "second" "mkdir -p $out/share; ln -s \${lib} $out/share/second";`,
  );
  const keyFiles = [join(root, "first.key"), join(root, "second.key")] as const;
  const [first, second] = await Promise.all(keyFiles.map(originPublicKey));
  const firn = await startFirn({
    origins: 0,
    packageSet: set.spec,
    edgeEnv: {
      BINARY_CACHE: "on",
      ORIGINS: JSON.stringify({ first: { key: first }, second: { key: second } }),
    },
  });
  atEnd(() => firn.stop());
  const [secret, open] = [join(root, "nix.secret"), join(root, "nix.public")];
  await execa("nix-store", ["--generate-binary-cache-key", "first-1", secret, open]);

  /** An origin until the test is over; gives what it has written to its log so far. */
  const start = async (
    name: "first" | "second",
    more: Readonly<Record<string, string>>,
    before: readonly string[] = [],
  ) => {
    const [program = "", ...rest] = [...before, process.execPath, MAIN, "origin"];
    const [command, ...args] = tied("TERM", [program, ...rest]);
    const env = await originEnv(process.env, {
      edgeUrl: firn.edge.url,
      name,
      keyFile: join(root, `${name}.key`),
      packageSet: set.spec,
      stateDir: join(root, name),
    });
    const child = execa(command, args, {
      env: { ...env, ...set.originEnv, DRAIN: "0", LOG_LEVEL: "debug", ...more },
      all: true,
      reject: false,
      forceKillAfterDelay: 10_000,
    });
    let log = "";
    child.all.on("data", (chunk: Buffer) => (log += chunk.toString()));
    const stop = async (): Promise<void> => {
      child.kill("SIGTERM");
      await child;
    };
    atEnd(stop);
    const has = (what: string, times = 1): Promise<unknown> =>
      until(`the log of ${name} has ${what}`, () => log.split(what).length > times).catch(
        (error: Error) => assert.fail(`${error.message}:\n${log}\n${firn.log()}`),
      );
    await has("connected to the edge");
    return { stop, has };
  };

  const one = await start("first", { CACHE_KEY_FILE: secret });
  await pullImage(firn.url, "first");
  // lib, first, and the two packages of every image.
  await one.has("stored in the farm's cache", 4);
  await one.stop();
  const builds = async (): Promise<number> => (await readFile(mark, "utf8")).split("\n").length - 1;
  assert.equal(await builds(), 1);

  const keys = (await readFile(open, "utf8")).trim();
  await start("second", { CACHE_TRUSTED_KEYS: keys }, withSmallNix(200e6));
  await pullImage(firn.url, "second");
  assert.equal(await builds(), 1, "the second origin did not build lib again");
});
