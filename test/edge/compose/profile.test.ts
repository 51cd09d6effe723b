import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { gunzipSync } from "node:zlib";
import { test } from "node:test";
import type { ListingTree } from "../../../edge/contract/listing.ts";
import { InvalidName } from "../../../edge/contract/names.ts";
import { mergeProfile, type ProfileEntry } from "../../../edge/compose/profile.ts";
import { packProfile } from "../../../edge/compose/profile-layer.ts";
import { Blobs, digest, random, randomTree, record, shuffled, storePath, tree } from "./sample.ts";

interface Sample {
  readonly name: string;
  readonly files: ListingTree;
  readonly store?: string;
}
const stored = ({ name, store }: Sample): string => storePath(`${store ?? name}-1.0`);

async function profileOf(samples: readonly Sample[], blobs = new Blobs()): Promise<ProfileEntry[]> {
  return mergeProfile(
    samples.map((sample) =>
      record(blobs, sample.name, sample.files, { storePath: stored(sample) }),
    ),
    blobs.read,
  );
}
/** path → what is there, in one word each. */
function shown(entries: readonly ProfileEntry[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => [entry.path, entry.type === "symlink" ? entry.target : entry.type]),
  );
}

test("a directory of one package is one link; of two, both are merged, first file wins", async () => {
  const profile = shown(
    await profileOf([
      {
        name: "b",
        files: tree(
          "bin/y",
          "bin/both",
          "share/doc/y",
          "share/man/man1/y.1",
          "nix-support/x",
          "only/b/c",
        ),
      },
      {
        name: "a",
        files: tree(
          "bin/x",
          "bin/both",
          "share/man/man1/x.1",
          "share/man/man8/x.8",
          "nix-support/propagated",
        ),
      },
    ]),
  );
  const a = storePath("a-1.0");
  const b = storePath("b-1.0");
  assert.deepEqual(profile, {
    bin: "directory",
    "bin/both": `${a}/bin/both`,
    "bin/x": `${a}/bin/x`,
    "bin/y": `${b}/bin/y`,
    etc: "directory",
    "etc/group": "file",
    "etc/nsswitch.conf": "file",
    "etc/passwd": "file",
    only: `${b}/only`,
    root: "directory",
    share: "directory",
    "share/doc": `${b}/share/doc`,
    "share/man": "directory",
    "share/man/man1": "directory",
    "share/man/man1/x.1": `${a}/share/man/man1/x.1`,
    "share/man/man1/y.1": `${b}/share/man/man1/y.1`,
    "share/man/man8": `${a}/share/man/man8`,
    tmp: "directory",
    usr: "directory",
    "usr/bin": "directory",
    var: "directory",
    "var/tmp": "directory",
  });
});

test("a file against a directory: the first package wins, later directories join a directory", async () => {
  const profile = shown(
    await profileOf([
      { name: "a", files: tree("x", "y/a") },
      { name: "b", files: tree("x/b", "y") },
      { name: "c", files: tree("x/c", "y/c") },
    ]),
  );
  assert.equal(profile.x, `${storePath("a-1.0")}/x`);
  assert.deepEqual(
    [profile.y, profile["y/a"], profile["y/c"], profile["x/b"]],
    ["directory", `${storePath("a-1.0")}/y/a`, `${storePath("c-1.0")}/y/c`, undefined],
  );
});

test("two names of one store path are one package", async () => {
  const files = tree("bin/vim", "share/vim/x");
  const profile = shown(
    await profileOf([
      { name: "vim", files, store: "same" },
      { name: "editor", files, store: "same" },
    ]),
  );
  assert.equal(profile.bin, `${storePath("same-1.0")}/bin`);
});

test("packages' own etc, tmp and var join the real directories; their passwd counts", async () => {
  const profile = shown(
    await profileOf([
      {
        name: "a",
        files: tree("etc/passwd", "etc/ssl/certs/ca", "tmp/x", "var/lib/y", "usr/bin/z", "root"),
      },
    ]),
  );
  const a = storePath("a-1.0");
  assert.deepEqual(
    [
      profile.etc,
      profile["etc/passwd"],
      profile["etc/group"],
      profile["etc/ssl"],
      profile.tmp,
      profile["tmp/x"],
      profile["var/lib"],
      profile["usr/bin/z"],
      profile.root,
    ],
    [
      "directory",
      `${a}/etc/passwd`,
      "file",
      `${a}/etc/ssl`,
      "directory",
      `${a}/tmp/x`,
      `${a}/var/lib`,
      `${a}/usr/bin/z`,
      "directory",
    ],
  );
});

test("nothing of a package hides the store or stands where runtimes mount", async () => {
  const profile = shown(
    await profileOf([
      {
        name: "a",
        files: tree("nix/store/x", "dev", "proc/1", "sys/x", "nix-support/x", "share/nix/x"),
      },
    ]),
  );
  for (const name of ["nix", "dev", "proc", "sys", "nix-support"])
    assert.equal(profile[name], undefined, name);
  assert.equal(profile.share, `${storePath("a-1.0")}/share`);
});

const coreutils = { name: "coreutils", files: tree("bin/env", "bin/ls") };
const shells: [
  what: string,
  samples: Sample[],
  expected: { env?: string; sh?: string; login: string },
][] = [
  ["no shell at all", [{ name: "hello", files: tree("bin/hello") }], { login: "/bin/sh" }],
  ["env alone", [coreutils], { env: "coreutils", login: "/bin/sh" }],
  [
    "bash with its sh",
    [coreutils, { name: "bash", files: tree("bin/bash", "bin/sh") }],
    { env: "coreutils", sh: "bash-1.0/bin/sh", login: "/bin/bash" },
  ],
  [
    "bash without sh",
    [{ name: "bash", files: tree("bin/bash") }],
    { sh: "bash-1.0/bin/bash", login: "/bin/bash" },
  ],
  [
    "bash without sh, and another's sh",
    [
      { name: "bash", files: tree("bin/bash") },
      { name: "dash", files: tree("bin/dash", "bin/sh") },
    ],
    { sh: "dash-1.0/bin/sh", login: "/bin/bash" },
  ],
  [
    "a directory named env",
    [{ name: "a", files: tree("bin/env/x", "bin/sh/y") }],
    { login: "/bin/sh" },
  ],
];
for (const [what, samples, { env, sh, login }] of shells) {
  test(`scripts' first lines: ${what}`, async () => {
    const entries = await profileOf(samples);
    const profile = shown(entries);
    assert.equal(profile["usr/bin/env"], env && `${storePath(`${env}-1.0`)}/bin/env`);
    if (sh !== undefined)
      assert.match(profile["bin/sh"] ?? `${profile.bin}/sh`, new RegExp(`${sh}$`));
    const passwd = entries.find(({ path }) => path === "etc/passwd");
    assert.ok(
      passwd?.type === "file" &&
        passwd.contents.startsWith(`root:x:0:0:root:/root:${login}\nnobody:x:65534:65534:`),
    );
  });
}

/**
 * Every path that can be reached in the image, with the file it ends at: links followed into the
 * packages' own trees.
 */
function reachable(
  entries: readonly ProfileEntry[],
  samples: readonly Sample[],
): Map<string, string> {
  const found = new Map<string, string>();
  const follow = (path: string, target: string): void => {
    const owner = samples.find((sample) => target.startsWith(`${stored(sample)}/`)) as Sample;
    const walk = (at: string, here: string, entry: ListingTree | undefined): void => {
      found.set(at, entry ? "directory" : here);
      for (const { name, entries: below } of entry ?? [])
        walk(`${at}/${name}`, `${here}/${name}`, below);
    };
    let entry: { entries?: ListingTree } | undefined = { entries: owner.files };
    for (const name of target.slice(stored(owner).length + 1).split("/"))
      entry = entry?.entries?.find((child) => child.name === name);
    assert.ok(entry, `${target} does not exist`);
    walk(path, target, entry.entries);
  };
  for (const entry of entries) {
    if (entry.type === "symlink") follow(entry.path, entry.target);
    else found.set(entry.path, entry.type === "directory" ? "directory" : entry.contents);
  }
  return found;
}

/**
 * The same by definition: package after package in the order of names, each bringing what does not
 * contradict what is there.
 */
function reference(
  samples: readonly Sample[],
  base: ReadonlyMap<string, string>,
): Map<string, string> {
  const found = new Map([...base].filter(([, what]) => what === "directory"));
  for (const sample of [...samples].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const add = (path: string, files: ListingTree): void => {
      for (const { name, entries } of files) {
        const at = path === "" ? name : `${path}/${name}`;
        if (at === "nix-support") continue;
        if (!found.has(at)) found.set(at, entries ? "directory" : `${stored(sample)}/${at}`);
        if (entries && found.get(at) === "directory") add(at, entries);
      }
    };
    add("", sample.files);
  }
  for (const [path, what] of base) if (!found.has(path)) found.set(path, what);
  return found;
}

test("any packages: what can be reached is what a naive merge gives, in any order", async () => {
  const base = reachable(await profileOf([]), []);
  for (let seed = 0; seed < 300; seed++) {
    const next = random(seed);
    const samples = Array.from({ length: Math.floor(next() * 6) }, (_, n): Sample => ({
      name: `p${n}`,
      files: randomTree(next),
    }));
    const entries = await profileOf(shuffled(samples, next));
    const found = reachable(entries, samples);
    const expected = reference(samples, base);
    // The two links that depend on what is in bin, and the login shell, have their own tests.
    const bin = (name: string) =>
      samples.find(({ files }) =>
        files
          .find((entry) => entry.name === "bin")
          ?.entries?.some((entry) => entry.name === name && !entry.entries),
      );
    const env = bin("env");
    if (env && !expected.has("usr/bin/env")) expected.set("usr/bin/env", `${stored(env)}/bin/env`);
    const bash = bin("bash");
    if (bash && !bin("sh")) {
      expected.set("bin", "directory");
      if (!expected.has("bin/sh")) expected.set("bin/sh", `${stored(bash)}/bin/bash`);
    }
    for (const map of [found, expected])
      if (map.get("etc/passwd")?.startsWith("root:")) map.set("etc/passwd", "root");
    if (
      bash &&
      samples.some(({ files }) =>
        files.some(({ name, entries: below }) => name === "bin" && !below),
      )
    )
      continue;
    assert.deepEqual(new Map([...found].sort()), new Map([...expected].sort()), `seed ${seed}`);
    const paths = entries.map(({ path }) => path);
    assert.deepEqual(paths, [...new Set(paths)].sort(), "no path twice, and sorted");
    for (const path of paths)
      assert.ok(
        !path.includes("/") ||
          paths.indexOf(path.slice(0, path.lastIndexOf("/"))) < paths.indexOf(path),
        "a directory before what is in it",
      );
  }
});

test("the layer is a tar that tar unpacks, with modes, owner 0 and time 1", async () => {
  const long = `share/${"d".repeat(200)}/${"e".repeat(200)}`;
  const profile = await packProfile(
    await profileOf([
      coreutils,
      { name: "a", files: tree(`${long}/a`, "bin/a", "bin/é") },
      { name: "b", files: tree(`${long}/b`) },
    ]),
  );
  const tar = gunzipSync(profile.bytes);
  assert.equal(profile.diffId, digest(tar));
  assert.equal(profile.digest, digest(profile.bytes));
  const lines = execFileSync("tar", ["--numeric-owner", "-tvf", "-"], {
    input: tar,
    encoding: "utf8",
    env: { ...process.env, TZ: "UTC", LC_ALL: "C.UTF-8" },
  }).split("\n");
  const has = (mode: string, path: string) =>
    assert.ok(
      lines.some(
        (line) =>
          line.startsWith(`${mode} 0/0 `) &&
          line.includes(" 1970-01-01 00:00 ") &&
          line.includes(` ${path}`),
      ),
      `${mode} ${path} in\n${lines.join("\n")}`,
    );
  has("drwxrwxrwt", "tmp/");
  has("drwxrwxrwt", "var/tmp/");
  has("drwx------", "root/");
  has("drwxr-xr-x", "etc/");
  has("-rw-r--r--", "etc/passwd");
  has("lrwxrwxrwx", `usr/bin/env -> ${storePath("coreutils-1.0")}/bin/env`);
  has("lrwxrwxrwx", `${long}/a -> ${storePath("a-1.0")}/${long}/a`);
  has("lrwxrwxrwx", `bin/é -> ${storePath("a-1.0")}/bin/é`);
});

const many = (prefix: string, count: number): ListingTree =>
  Array.from({ length: count }, (_, n) => ({ name: `${prefix}-${n}` }));

test("a package of 200,000 files costs a few reads, and nothing of what only it has", async () => {
  const blobs = new Blobs();
  const big: Sample = {
    name: "big",
    files: [
      { name: "bin", entries: many("tool", 500) },
      {
        name: "share",
        entries: [
          {
            name: "big",
            entries: Array.from({ length: 100 }, (_, n) => ({
              name: `d${n}`,
              entries: many("file", 1_000),
            })),
          },
          { name: "flat", entries: many("file", 99_500) },
        ],
      },
    ],
  };
  const entries = await profileOf(
    [big, coreutils, { name: "doc", files: tree("share/doc/x", "bin/doc") }],
    blobs,
  );
  assert.ok(entries.length < 600);
  assert.ok(
    blobs.reads <= 5 && blobs.bytes < 200_000,
    `${blobs.reads} reads of ${blobs.bytes} bytes`,
  );
});

test("a package with 100,000 files in bin composes: bin is always read, for env and sh", async () => {
  const blobs = new Blobs();
  const profile = shown(
    await profileOf(
      [
        {
          name: "big",
          files: [{ name: "bin", entries: [...many("tool", 100_000), { name: "env" }] }],
        },
      ],
      blobs,
    ),
  );
  assert.equal(profile.bin, `${storePath("big-1.0")}/bin`);
  assert.equal(profile["usr/bin/env"], `${storePath("big-1.0")}/bin/env`);
  assert.equal(blobs.reads, 2);
});

test("packages that overlap in too many files are an error that says so", async () => {
  const entries = many("x".repeat(60), 60_000);
  await assert.rejects(
    profileOf([
      { name: "a", files: [{ name: "share", entries }] },
      { name: "b", files: [{ name: "share", entries }] },
    ]).then(packProfile),
    (error) => error instanceof InvalidName && /too many files/.test(error.message),
  );
});

test("directories of two packages are merged down to a depth of 64, and refused below", async () => {
  const nested = (depth: number, name: string): ListingTree =>
    depth === 0 ? [{ name }] : [{ name: "d", entries: nested(depth - 1, name) }];
  const packages = (depth: number) =>
    ["a", "b"].map((name) => ({ name, files: nested(depth, name) }));
  const deepest = shown(await profileOf(packages(64)));
  assert.equal(deepest[`${"d/".repeat(64)}b`], `${storePath("b-1.0")}/${"d/".repeat(64)}b`);
  await assert.rejects(profileOf(packages(65)), /too many files/);
});
