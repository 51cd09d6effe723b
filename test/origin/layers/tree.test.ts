/** What a store path becomes in a tar, against GNU tar; and store paths that no layer can hold. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { tarEnd } from "../../../edge/contract/tar.ts";
import { LayerTar } from "../../../origin/layers/layer-tar.ts";
import { ChangedError, UnfitError, walkTree } from "../../../origin/layers/tree.ts";
import { LocalStore, noise } from "./local-store.ts";

const store = new LocalStore();
after(() => store.remove());

const openTar = (...storePaths: string[]): LayerTar =>
  new LayerTar({ root: store.root, storePaths, bare: true });

function tarOf(path: string, chunkBytes = 65_536): Buffer {
  const source = openTar(path);
  const chunks: Buffer[] = [];
  for (let length = chunkBytes; length === chunkBytes;) {
    const chunk = Buffer.alloc(chunkBytes);
    length = source.fill(chunk);
    chunks.push(chunk.subarray(0, length));
  }
  return Buffer.concat([...chunks, tarEnd]);
}

const tar = (input: Buffer, ...args: string[]): string =>
  execFileSync("tar", args, {
    input,
    encoding: "utf8",
    env: { ...process.env, TZ: "UTC", LC_ALL: "C.UTF-8" },
  });

test("a tree survives GNU tar: any names, links, empty files and directories, modes", () => {
  const deep = Array.from({ length: 20 }, (_, level) => `directory-${level}`).join("/");
  const files = {
    "bin/run": { run: "#!/bin/sh\n" },
    "bin/same": { same: "bin/run" },
    "lib/same-again": { same: "bin/run" },
    [`${deep}/${"f".repeat(255)}`]: "deep",
    "share/naïve/日本語": "names",
    "share/white space\nand newline": "odd",
    "share/-option": "dash",
    empty: "",
    "empty-directory": { directory: true },
    link: { link: `/nix/store/${"t".repeat(180)}` },
    dangling: { link: "nowhere" },
    exact: noise(512 * 9),
  } as const;
  const { path } = store.add("tree", files);
  const bytes = tarOf(path);
  const to = join(store.scratch, "tree");
  mkdirSync(to);
  tar(bytes, "-xf", "-", "-C", to, "--no-same-owner");
  execFileSync("diff", ["-r", "--no-dereference", join(store.root, path), join(to, path)]);
  assert.equal(lstatSync(join(to, path, "bin/run")).mode & 0o7777, 0o555);
  assert.equal(lstatSync(join(to, path, "empty")).mode & 0o7777, 0o444);
  assert.equal(lstatSync(join(to, path, "empty-directory")).mode & 0o7777, 0o555);
  assert.equal(lstatSync(join(to, path, "bin/run")).mtimeMs, 1_000);
  execFileSync("chmod", ["-R", "u+w", to]);
  for (const size of [1, 511, 512, 513, 4_096])
    assert.deepEqual(tarOf(path, size), bytes, `in chunks of ${size} bytes`);
});

test("entries stand in the order of their bytes, a directory with its slash", () => {
  const files = {
    "lib/x": "",
    "lib-x": "",
    "lib.x": "",
    lib0: "",
    "a/b/c": "",
    "a/b.c": "",
    a0: "",
  };
  const { path } = store.add("ordered", files);
  const names = tar(tarOf(path), "-tf", "-").trimEnd().split("\n");
  assert.deepEqual(
    names,
    names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
  assert.ok(names.indexOf(`${path.slice(1)}/lib-x`) < names.indexOf(`${path.slice(1)}/lib/`));
});

test("a file that becomes a link or a pipe before it is opened is not followed, and nothing waits", () => {
  const outside = join(store.scratch, "outside");
  writeFileSync(outside, "of the machine");
  for (const [what, turn] of [
    ["link", (file: string) => symlinkSync(outside, file)],
    ["pipe", (file: string) => void execFileSync("mkfifo", [file])],
  ] as const) {
    const { path } = store.add(`becomes-a-${what}`, { a: "a", b: "b" });
    const entries = walkTree(store.root, path);
    assert.equal(entries.next().value?.type, "directory");
    assert.match(entries.next().value?.path ?? "", /\/a$/);
    const file = join(store.root, path, "b");
    rmSync(file);
    turn(file);
    assert.throws(() => entries.next(), what === "link" ? { code: "ELOOP" } : ChangedError);
  }
});

test("modes, owners and times of the store do not matter, only whether its owner may execute", () => {
  const first = tarOf(store.add("modes", { a: "1", b: { run: "2" } }).path);
  const path = join(
    store.root,
    readdirSync(join(store.root, "nix/store"))
      .filter((name) => name.endsWith("-modes"))
      .map((name) => `nix/store/${name}`)[0] as string,
  );
  chmodSync(join(path, "a"), 0o606);
  chmodSync(join(path, "b"), 0o500);
  utimesSync(join(path, "a"), 12, 12);
  chmodSync(path, 0o700);
  assert.deepEqual(tarOf(path.slice(store.root.length)), first);
});

test("hard links of the store do not matter: an optimised store gives the same tar", () => {
  const { path } = store.add("linked", { a: "same", b: "same", c: LARGE, d: LARGE });
  const before = tarOf(path);
  for (const [file, other] of ["ab", "cd"])
    execFileSync("ln", ["-f", ...[file, other].map((name = "") => join(store.root, path, name))]);
  assert.deepEqual(tarOf(path), before);
});

/** Large enough to be worth a hard link. */
const LARGE = noise(52_500, "large").toString("hex");

test("a file equal to an earlier one of the layer is a hard link to it, in another store path too", () => {
  const one = store.add("equal-1", {
    first: LARGE,
    "other-bytes": noise(70_000, "other"),
    "other-mode": { run: LARGE },
    "other-mode-again": { run: LARGE },
    small: "small",
    "small-again": "small",
  });
  const two = store.add("equal-2", { again: LARGE });
  assert.ok(one.path < two.path);
  const links = (bytes: Buffer): string[] =>
    [...tar(bytes, "-tvf", "-").matchAll(/^h(.{9}) .* (\S+) link to (\S+)$/gm)].map(
      ([, mode, name = "", target = ""]) =>
        `${mode} ${name.replace(/.*-equal/, "equal")} = ${target.replace(/.*-equal/, "equal")}`,
    );
  const again = "r-xr-xr-x equal-1/other-mode-again = equal-1/other-mode";
  assert.deepEqual(links(tarOf(one.path)), [again]);

  const buffer = Buffer.alloc(2 ** 20);
  const layer = new LayerTar({
    root: store.root,
    storePaths: [two.path, one.path],
    bare: false,
  });
  const whole = buffer.subarray(0, layer.fill(buffer));
  assert.deepEqual(links(whole), [again, "r--r--r-- equal-2/again = equal-1/first"]);
  const to = join(store.scratch, "equal");
  mkdirSync(to);
  tar(whole, "-xf", "-", "-C", to, "--no-same-owner");
  for (const { path } of [one, two])
    execFileSync("diff", ["-r", join(store.root, path), join(to, path)]);
  execFileSync("chmod", ["-R", "u+w", to]);
});

test("a file that changes before an equal one is met is an error", () => {
  const { path } = store.add("equal-changing", { a: LARGE, b: noise(100_000), c: LARGE });
  const source = openTar(path);
  source.fill(Buffer.alloc(110_000));
  appendFileSync(join(store.root, path, "a"), "more");
  assert.throws(
    () => source.fill(Buffer.alloc(2 ** 20)),
    (error: unknown) => error instanceof ChangedError && /-changing\/a changed/.test(error.message),
  );
});

test("a store path may be a file or a link", () => {
  assert.match(
    tar(tarOf(store.add("script.sh", "echo").path), "-tvf", "-"),
    /^-r--r--r-- 0\/0 +4 1970-01-01 00:00 nix\/store\/\S+-script.sh\n$/,
  );
});

for (const [what, change] of [
  ["grows", (file: string) => appendFileSync(file, "more")],
  ["shrinks", (file: string) => truncateSync(file, 70_000)],
  ["is written to", (file: string) => writeFileSync(file, noise(200_000, "other"), { flag: "r+" })],
] as const) {
  test(`a file that ${what} while it is read is an error`, () => {
    const { path } = store.add(`changing-${what.replaceAll(" ", "-")}`, { file: noise(200_000) });
    const source = openTar(path);
    assert.equal(source.fill(Buffer.alloc(30_720)), 30_720);
    change(join(store.root, path, "file"));
    assert.throws(
      () => source.fill(Buffer.alloc(2 ** 20)),
      (error: unknown) =>
        error instanceof ChangedError && /file changed while it was packed/.test(error.message),
    );
  });
}

test("a layer has the parent directories once, in front, then its store paths in order", () => {
  const paths = [store.add("order-b", "b").path, store.add("order-a", "a").path].toSorted();
  const bytes = Buffer.alloc(2 ** 20);
  const whole = new LayerTar({ root: store.root, storePaths: paths.toReversed(), bare: false });
  const names = tar(bytes.subarray(0, whole.fill(bytes)), "-tf", "-")
    .trimEnd()
    .split("\n");
  assert.deepEqual(names, ["nix/", "nix/store/", ...paths.map((path) => path.slice(1))]);
  const bare = Buffer.alloc(2 ** 20);
  const length = openTar(...paths).fill(bare);
  assert.deepEqual(bytes.subarray(1_024, 1_024 + length), bare.subarray(0, length));
});

test("what no layer can hold is refused by name", () => {
  const whiteout = store.add("whiteout", { ".wh.passwd": "" });
  assert.throws(
    () => tarOf(whiteout.path),
    (error: unknown) =>
      error instanceof UnfitError && /\.wh\.passwd cannot be in a layer/.test(error.message),
  );
  const pipe = store.add("pipe", {});
  execFileSync("mkfifo", [join(store.root, pipe.path, "fifo")]);
  assert.throws(() => tarOf(pipe.path), /fifo is neither a file/);
  assert.throws(() => tarOf("/nix/store/00000000000000000000000000000000-gone"), {
    code: "ENOENT",
  });
  rmSync(join(store.root, pipe.path, "fifo"));
});
