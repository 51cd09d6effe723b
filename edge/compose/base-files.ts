/**
 * What every image has besides its packages: the directories that programs and runtimes write to,
 * the users root and nobody, and the two paths that scripts start with (`/bin/sh`,
 * `/usr/bin/env`). The directories are real, not links: docker and containerd write hosts and
 * resolv.conf into /etc, and a link would lead them into the store.
 */

export type BaseEntry =
  | { readonly type: "directory"; readonly mode: number }
  /** Left out when a package has something at the same path. */
  | { readonly type: "file"; readonly contents: string }
  | { readonly type: "symlink"; readonly target: string };

/**
 * Absolute store paths of `bin/env`, `bin/sh` and `bin/bash`, each of the first package that has
 * it.
 */
export interface Programs {
  readonly env?: string | undefined;
  readonly sh?: string | undefined;
  readonly bash?: string | undefined;
}

/**
 * Top-level names of packages that are kept out of the profile: nix-support is for builds only,
 * /nix would hide the store, and runtimes mount /dev, /proc and /sys, which they refuse to do over
 * a link.
 */
export const LEFT_OUT: ReadonlySet<string> = new Set(["nix-support", "nix", "dev", "proc", "sys"]);

/** Keyed by path without leading slash; every directory comes before what is in it. */
export function baseEntries({ env, sh, bash }: Programs): ReadonlyMap<string, BaseEntry> {
  // The login shell: an interactive bash where there is one.
  const shell = bash === undefined ? "/bin/sh" : "/bin/bash";
  const entries = new Map<string, BaseEntry>([
    ["etc", { type: "directory", mode: 0o755 }],
    ["etc/group", { type: "file", contents: "root:x:0:\nnobody:x:65534:\n" }],
    // Without it glibc asks DNS before /etc/hosts.
    [
      "etc/nsswitch.conf",
      { type: "file", contents: "passwd: files\ngroup: files\nhosts: files dns\n" },
    ],
    [
      "etc/passwd",
      {
        type: "file",
        contents: `root:x:0:0:root:/root:${shell}\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n`,
      },
    ],
    ["root", { type: "directory", mode: 0o700 }],
    ["tmp", { type: "directory", mode: 0o1777 }],
    ["usr", { type: "directory", mode: 0o755 }],
    ["usr/bin", { type: "directory", mode: 0o755 }],
    ["var", { type: "directory", mode: 0o755 }],
    ["var/tmp", { type: "directory", mode: 0o1777 }],
  ]);
  if (env !== undefined) entries.set("usr/bin/env", { type: "symlink", target: env });
  if (sh === undefined && bash !== undefined) {
    // Called as sh, bash follows POSIX; Debian's bash package has no bin/sh.
    entries.set("bin", { type: "directory", mode: 0o755 });
    entries.set("bin/sh", { type: "symlink", target: bash });
  }
  return entries;
}
