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
