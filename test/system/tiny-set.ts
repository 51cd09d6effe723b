/**
 * A package set of a few tiny packages that are in no store before, and a count of the nix-builds
 * that were run for it.
 */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { type Need, which } from "../../origin/local/needs.ts";
import { packageSet } from "../origin/nix/support.ts";

/** What every image holds. */
export const BASE = `
  cacert = mk "cacert" "mkdir -p $out/etc/ssl/certs; echo none > $out/etc/ssl/certs/ca-bundle.crt";
  iana-etc = mk "iana-etc" "mkdir -p $out/etc; echo https 443/tcp > $out/etc/services";
`;

/** A shell for images that run; the machine needs BUSYBOX. */
export const SHELL = `
  sh = mk "sh" ''
    mkdir -p $out/bin
    cp "$(command -v busybox)" $out/bin/busybox
    for applet in sh cat; do ln -s busybox $out/bin/$applet; done
  '';
`;
export const BUSYBOX: Need = {
  command: "busybox",
  debian: "busybox-static",
  purpose: "a shell for tests",
};

export interface TinySet {
  /** For PACKAGE_SET. */
  readonly spec: string;
  /** More variables for the origins. */
  readonly originEnv: Readonly<Record<string, string>>;
  /** Every nix-build so far that built something: its arguments. */
  builds(): Promise<string[]>;
  /** The builds, as the logs call them, that these were for. */
  traces(): Promise<string[]>;
}

/**
 * Makes the set below `directory`. `attributes`: Nix text as test/origin/nix/support.ts has it,
 * `program "x"` or `mk "x" "script"`.
 */
export async function tinySet(directory: string, attributes: string): Promise<TinySet> {
  const set = join(directory, "set");
  const bin = join(directory, "bin");
  await Promise.all([mkdir(set), mkdir(bin)]);
  await writeFile(join(set, "default.nix"), packageSet(BASE + attributes));

  // The origin's nix-build is the real one; it leaves a line first.
  const log = join(directory, "nix-builds");
  const traces = join(directory, "traces");
  await Promise.all([log, traces].map((file) => writeFile(file, "")));
  const real = await which("nix-build");
  if (real === undefined) throw new Error("there is no nix-build");
  const shim = join(bin, "nix-build");
  await writeFile(
    shim,
    `#!/bin/sh\necho "$*" >>'${log}'\necho "$FIRN_BUILD" >>'${traces}'\nexec '${real}' "$@"\n`,
  );
  await chmod(shim, 0o755);
  return {
    spec: `path:${set}`,
    originEnv: { PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`, SYSTEMS: "x86_64-linux" },
    traces: async () => (await readFile(traces, "utf8")).split("\n").filter((line) => line !== ""),
    builds: async () =>
      (await readFile(log, "utf8"))
        .split("\n")
        .filter((line) => line !== "" && line !== "--version"),
  };
}
