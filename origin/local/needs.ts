/**
 * Programs that Firn needs and npm does not bring: found on PATH, or installed by apt as root on
 * Debian, or asked for in words.
 */
import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";

export interface Need {
  /** The program, as looked for on PATH. */
  readonly command: string;
  /** Debian's package that has it. */
  readonly debian: string;
  /** What it is for, in a few words. */
  readonly purpose: string;
}

/** What an origin needs. */
export const ORIGIN_NEEDS: readonly Need[] = [
  { command: "nix-build", debian: "nix-bin", purpose: "builds packages" },
  { command: "nix-store", debian: "nix-bin", purpose: "reads closures" },
  { command: "git", debian: "git", purpose: "resolves the revisions of git package sets" },
];
/**
 * What the starter set needs besides (origin/starter/needs.ts): Debian's own tools; patchelf and
 * the rest it fetches from the archive itself.
 */
export const STARTER_NEEDS: readonly Need[] = [
  { command: "apt-get", debian: "apt", purpose: "fetches and verifies .deb files" },
  { command: "dpkg-deb", debian: "dpkg", purpose: "unpacks .deb files" },
  { command: "flock", debian: "util-linux", purpose: "lets one apt run at a time" },
  { command: "tar", debian: "tar", purpose: "unpacks" },
];

/**
 * System directories that a user's PATH may lack: dpkg-deb and others work without, but daemons of
 * tests live there.
 */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
/** apt's lists as the downloads leave them; without any, no package can be found. */
const APT_LISTS = "/var/lib/apt/lists";
/** Seconds that apt waits for another apt or dpkg to finish. */
const APT_LOCK_SECONDS = 300;

/** The absolute path of a program, or undefined when it is not there. */
export async function which(command: string): Promise<string | undefined> {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), ...SYSTEM_DIRECTORIES];
  for (const directory of directories.filter((entry) => entry !== "")) {
    const path = join(directory, command);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

/** The needs whose program is not on PATH. */
export async function missing(needs: readonly Need[]): Promise<Need[]> {
  const found = await Promise.all(needs.map((need) => which(need.command)));
  return needs.filter((_, index) => found[index] === undefined);
}

/** True where this process may install packages: root, with apt. */
export async function canInstall(): Promise<boolean> {
  return (
    process.getuid?.() === 0 &&
    (await which("apt-get")) !== undefined &&
    (await which("dpkg")) !== undefined
  );
}

/**
 * Sees to it that every program is there; `say` tells what is being installed. Throws an Error for
 * a person when something is missing and cannot be installed.
 */
export async function satisfy(needs: readonly Need[], say: (line: string) => void): Promise<void> {
  const lacking = await missing(needs);
  if (lacking.length === 0) return;
  const packages = [...new Set(lacking.map((need) => need.debian))];
  if (!(await canInstall())) throw new Error(howToInstall(lacking, packages));
  say(`installing ${packages.join(", ")} by apt`);
  await aptInstall(packages);
  const still = await missing(needs);
  if (still.length > 0)
    throw new Error(
      `apt installed ${packages.join(", ")}, and yet ${still.map((need) => need.command).join(", ")} cannot be found on PATH`,
    );
}

/**
 * Installs Debian packages without asking. One at a time on this machine: apt has no lock that
 * waits while it reads or updates its lists.
 */
export async function aptInstall(packages: readonly string[]): Promise<void> {
  if (!(await hasLists())) await apt(["update"]);
  const install = ["install", "--yes", "--no-install-recommends", "--", ...packages];
  try {
    await apt(install);
  } catch {
    // Old lists name files that the archive no longer has: get new ones, then let a second failure
    // speak for itself.
    await apt(["update"]);
    await apt(install);
  }
}

async function apt(args: readonly string[]): Promise<void> {
  const options = [
    "--quiet",
    "-o",
    `DPkg::Lock::Timeout=${APT_LOCK_SECONDS}`,
    "-o",
    "Dpkg::Use-Pty=0",
  ];
  const result = await execa(
    "flock",
    [join(tmpdir(), "firn-apt.lock"), "apt-get", ...options, ...args],
    {
      env: { DEBIAN_FRONTEND: "noninteractive" },
      stdin: "ignore",
      all: true,
      reject: false,
    },
  );
  if (result.failed)
    throw new Error(
      `apt-get ${args.join(" ")} failed:\n${(result.all ?? result.message ?? "").split("\n").slice(-20).join("\n")}`,
    );
}

const hasLists = async (): Promise<boolean> =>
  (await readdir(APT_LISTS).catch(() => [])).some((name) => name.includes("_Packages"));

function howToInstall(lacking: readonly Need[], packages: readonly string[]): string {
  const programs = lacking.map((need) => `  ${need.command} (${need.purpose})`).join("\n");
  const nix = lacking.some((need) => need.debian === "nix-bin")
    ? "\nNix itself is at nixos.org/download."
    : "";
  return `these programs are missing:\n${programs}\nOn Debian or Ubuntu: apt-get install ${packages.join(" ")} (as root, npm start does it by itself). Elsewhere: install them with your system's own means.${nix}`;
}
