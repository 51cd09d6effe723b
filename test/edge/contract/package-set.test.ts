import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { parsePackageSet } from "../../../edge/contract/package-set.ts";

const gitId = (url: string): string =>
  `git-${createHash("sha256").update(url).digest("hex").slice(0, 16)}`;

test("the four forms", async () => {
  assert.deepEqual(await parsePackageSet("starter"), {
    kind: "starter",
    id: "starter",
    label: "starter",
  });
  assert.deepEqual(await parsePackageSet("channel:nixos-unstable"), {
    kind: "channel",
    id: "channel",
    label: "channel:nixos-unstable",
    channel: "nixos-unstable",
  });
  assert.deepEqual(await parsePackageSet("path:/srv/secret/packages"), {
    kind: "path",
    id: "path",
    label: "path",
    dir: "/srv/secret/packages",
  });
  const url = "https://git.example/team/packages.git";
  assert.deepEqual(await parsePackageSet(`git:${url}`), {
    kind: "git",
    id: gitId(url),
    label: `git:${url}`,
    url,
  });
});

test("credentials and local paths stay out of label and identity", async () => {
  const plain = await parsePackageSet("git:https://git.example/packages");
  const url = "https://me:hunter2@git.example/packages";
  assert.deepEqual(await parsePackageSet(`git:${url}`), { ...plain, url });
  const scp = await parsePackageSet("git:git@git.example:team/packages");
  assert.deepEqual(
    [scp.id, scp.label],
    [gitId("git.example:team/packages"), "git:git.example:team/packages"],
  );
  assert.equal(
    (await parsePackageSet("git:ssh://git@git.example/packages")).label,
    "git:ssh://git.example/packages",
  );
  assert.equal((await parsePackageSet("git:file:///srv/secret/packages")).label, "git");
});

test("who pulls chooses a flake's revision, so the operator is told that he may not", async () => {
  for (const option of ["ref=main", "rev=0"])
    await assert.rejects(parsePackageSet(`flake:github:a/b?${option}`), /takes no ref and no rev/);
});

for (const spec of [
  "",
  "nixpkgs",
  "channel:",
  "channel:-x",
  "channel:a/b",
  "channel:a b",
  "git:",
  "git:ext::sh -c id",
  "git:--upload-pack=x",
  "git:ssh://-oProxyCommand=x/y",
  "git:-x@host:y",
  "git:host:-x",
  "git:ftp://git.example/x",
  "git:https://git.example/x?ref=main",
  "git:https://git.example/x#main",
  "git:/srv/x",
  "path:",
  "http://x",
]) {
  test(`${JSON.stringify(spec)} is refused`, async () => {
    await assert.rejects(
      parsePackageSet(spec),
      /is not valid|is unknown: use starter, channel:|names no directory/,
    );
  });
}

test("an error does not show a password", async () => {
  for (const spec of [
    "git:https://me:hunter2@",
    "git:ftp://me:hunter2@git.example/x",
    "git:https://git.example/x?token=hunter2",
    "gitx:https://me:hunter2@git.example",
  ]) {
    await assert.rejects(
      parsePackageSet(spec),
      (error: Error) => !error.message.includes("hunter2"),
    );
  }
});

const flakes: [spec: string, files: string, label: string, subdirectory?: string][] = [
  ["github:snow/pkgs", "git:https://github.com/snow/pkgs", "flake:https://github.com/snow/pkgs"],
  ["gitlab:a/b/c", "git:https://gitlab.com/a/b/c", "flake:https://gitlab.com/a/b/c"],
  ["sourcehut:~me/x", "git:https://git.sr.ht/~me/x", "flake:https://git.sr.ht/~me/x"],
  ["git+ssh://git@h.example/x", "git:ssh://git@h.example/x", "flake:ssh://h.example/x"],
  ["https://h.example/x.git", "git:https://h.example/x.git", "flake:https://h.example/x.git"],
  ["git@h.example:team/x", "git:git@h.example:team/x", "flake:h.example:team/x"],
  ["git+file:///srv/secret?dir=sub/dir", "git:file:///srv/secret", "flake?dir=sub/dir", "sub/dir"],
  ["path:/srv/secret", "path:/srv/secret", "flake"],
  ["/srv/secret?dir=sub", "path:/srv/secret", "flake?dir=sub", "sub"],
  ["./pkgs", "path:./pkgs", "flake"],
];
for (const [spec, files, label, subdirectory = ""] of flakes)
  test(`flake:${spec} has the files of ${files}`, async () => {
    const { id, ...parsed } = await parsePackageSet(`flake:${spec}`);
    const kind = "flake";
    assert.deepEqual(parsed, { kind, label, files: await parsePackageSet(files), subdirectory });
    assert.match(id, /^flake-[0-9a-f]{16}$/);
  });

const idOf = async (flake: string): Promise<string> => (await parsePackageSet(`flake:${flake}`)).id;

test("a flake's identity is its repository and subdirectory, whatever credentials or directory", async () => {
  const same = await idOf("https://h.example/x");
  assert.equal(await idOf("git+https://me:hunter2@h.example/x"), same);
  assert.notEqual(await idOf("https://h.example/x?dir=a"), same);
  assert.equal(await idOf("/a"), await idOf("path:/b"));
  assert.notEqual(await idOf("/a?dir=b"), await idOf("/a"));
});

for (const spec of [
  "",
  "nixpkgs",
  "github:nixpkgs",
  "github:a/../b c",
  "github:a/b?ref=main",
  "github:a/b?rev=0",
  "github:a/b#hello",
  "https://h.example/x?token=hunter2",
  "https://h.example/x?dir=../y",
  "https://h.example/x?dir=/y",
  "git+ext::sh -c id",
  "git+ssh://-oProxyCommand=x/y",
  "flake:github:a/b",
  "--impure",
])
  test(`flake:${spec} is refused, and shows no token`, async () => {
    await assert.rejects(parsePackageSet(`flake:${spec}`), ({ message }: Error) => {
      assert.match(message, /package set flake:<url> (is not valid: a flake is|takes no ref)/);
      return !message.includes("hunter2");
    });
  });
