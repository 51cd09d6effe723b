/**
 * Runs programs with nothing of the machine in sight: a root of their closure's store paths, with
 * the links of an image's profile.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";

export const NIX_ENV = {
  NIX_CONFIG: "build-users-group =\nsandbox = false\nsubstituters =\nmax-jobs = auto",
  NIX_PATH: "",
  LC_ALL: "C",
};

/** Builds attributes of a prepared set; returns the store path of each, in order. */
export async function build(
  dir: string,
  attributes: readonly string[],
  system = "x86_64-linux",
): Promise<string[]> {
  const selected = attributes.flatMap((attribute) => ["-A", attribute]);
  const { stdout } = await execa(
    "nix-build",
    [dir, "--no-out-link", "--argstr", "system", system, ...selected],
    { env: NIX_ENV },
  );
  return stdout.split("\n");
}

/**
 * A mount namespace of its own: everything is gone when the program ends. The store is read-only:
 * python, as root, would write what it compiled into it. $1: the root; the rest: the program.
 */
const ENTER = `
root=$1; shift
while read -r path; do mount -o bind,ro "$path" "$root$path"; done <"$root/.closure"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"`;

/** Returns stdout and stderr together. @throws when the program fails. */
export async function runAlone(
  root: string,
  packages: readonly string[],
  script: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  for (const directory of ["nix/store", "dev", "proc", "tmp", "etc"])
    await mkdir(join(root, directory), { recursive: true });
  const { stdout: closure } = await execa("nix-store", ["--query", "--requisites", ...packages], {
    env: NIX_ENV,
  });
  for (const path of closure.split("\n")) await mkdir(join(root, path), { recursive: true });
  await writeFile(join(root, ".closure"), `${closure}\n`);
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/tmp:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\n");
  await writeFile(
    join(root, "etc/nsswitch.conf"),
    "passwd: files\ngroup: files\nhosts: files dns\n",
  );
  // As in an image: the first package that has a file gives it. The profile of the pure-JavaScript
  // edge is tested elsewhere.
  for (const path of packages)
    await execa("cp", ["-rsn", "--no-preserve=mode", `${path}/.`, `${root}/`], { reject: false });
  const { all } = await execa(
    "unshare",
    ["--mount", "sh", "-ec", ENTER, "sh", root, "/bin/bash", "-ec", script],
    {
      env: { PATH: "/bin:/usr/bin:/usr/sbin:/sbin", HOME: "/tmp", TERM: "xterm-256color", ...env },
      extendEnv: false,
      all: true,
      stdin: "ignore",
    },
  );
  return all;
}
