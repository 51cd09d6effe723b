/**
 * Programs that Firn needs and npm does not install. As root on Debian they are installed by apt,
 * otherwise an error says what is missing.
 */
import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { delimiter, resolve } from "node:path";
import { execa } from "execa";
import { libdeflateIsThere } from "../layers/libdeflate.ts";

export interface Need {
  /** The program as looked up on PATH, or its absolute path. */
  readonly command: string;
  /** Debian's package that contains it. */
  readonly debian: string;
  /** What it is for, in a few words. */
  readonly purpose: string;
  /** Checks for something that is not a program; `command` is its name. */
  readonly isThere?: () => boolean;
}

/** What an origin needs. */
export const ORIGIN_NEEDS: readonly Need[] = [
  { command: "nix-build", debian: "nix-bin", purpose: "builds packages" },
  { command: "nix-store", debian: "nix-bin", purpose: "reads closures" },
  { command: "git", debian: "git", purpose: "resolves the revisions of git package sets" },
  {
    command: "libdeflate.so.0",
    debian: "libdeflate0",
    purpose: "compresses layers",
    isThere: libdeflateIsThere,
  },
];
/** Not a program on the PATH, but part of apt since 1.1. */
export const APT_HELPER = "/usr/lib/apt/apt-helper";
/**
 * What the starter set needs in addition: Debian's tools. patchelf and other build tools come from
 * the archive (nix/starter/tools.sh).
 */
export const STARTER_NEEDS: readonly Need[] = [
  { command: "apt-get", debian: "apt", purpose: "fetches and verifies .deb files" },
  { command: APT_HELPER, debian: "apt", purpose: "reads package lists" },
  { command: "dpkg-deb", debian: "dpkg", purpose: "unpacks .deb files" },
  { command: "flock", debian: "util-linux", purpose: "lets one apt run at a time" },
  { command: "sed", debian: "sed", purpose: "edits scripts" },
  { command: "sh", debian: "dash", purpose: "runs the builder" },
  { command: "tar", debian: "tar", purpose: "unpacks" },
];

/** Directories that are searched after PATH, in which a user's PATH may lack them. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
/** apt's package lists. */
const APT_LISTS = "/var/lib/apt/lists";
/** One lock for the whole machine, whatever TMPDIR is. */
const APT_LOCK = "/tmp/firn-apt.lock";
/** Seconds that apt waits for another apt or dpkg to finish. */
const APT_LOCK_SECONDS = 300;

/** The absolute path of a program; undefined when it is not installed. */
export async function which(command: string): Promise<string | undefined> {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), ...SYSTEM_DIRECTORIES];
  for (const directory of directories.filter((entry) => entry !== "")) {
    const path = resolve(directory, command);
    const executable = access(path, constants.X_OK);
    if (
      await executable.then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

/** The needs whose program is missing. */
export async function missing(needs: readonly Need[]): Promise<Need[]> {
  const found = await Promise.all(
    needs.map(async ({ command, isThere }) => isThere?.() ?? (await which(command)) !== undefined),
  );
  return needs.filter((_, index) => found[index] !== true);
}

/** Throws an Error that says how to install what is missing. */
export async function requirePrograms(needs: readonly Need[]): Promise<void> {
  const lacking = await missing(needs);
  if (lacking.length > 0) throw new Error(howToInstall(lacking));
}

/** Whether this process may install packages: it is root, and there is apt. */
export async function canInstall(): Promise<boolean> {
  return (
    process.getuid?.() === 0 &&
    (await which("apt-get")) !== undefined &&
    (await which("dpkg")) !== undefined
  );
}

/**
 * Installs what is missing, if this process may; `say` takes a line about it. Throws an Error for a
 * person when something is missing after that.
 */
export async function satisfy(needs: readonly Need[], say: (line: string) => void): Promise<void> {
  const lacking = await missing(needs);
  if (lacking.length > 0 && (await canInstall())) {
    const packages = packagesOf(lacking);
    say(`installing ${packages.join(", ")} by apt`);
    await aptInstall(packages);
  }
  await requirePrograms(needs);
}

/**
 * Installs Debian packages without asking. One at a time on this machine: apt has no lock that
 * waits while it reads or updates its lists.
 */
async function aptInstall(packages: readonly string[]): Promise<void> {
  if (!(await hasLists())) await apt(["update"]);
  const install = ["install", "--yes", "--no-install-recommends", "--", ...packages];
  try {
    await apt(install);
  } catch {
    // Old lists name files that the archive has no more: once more with new lists.
    await apt(["update"]);
    await apt(install);
  }
}

async function apt(args: readonly string[]): Promise<void> {
  const options = ["-o", `DPkg::Lock::Timeout=${APT_LOCK_SECONDS}`, "-o", "Dpkg::Use-Pty=0"];
  const result = await execa("flock", [APT_LOCK, "apt-get", "--quiet", ...options, ...args], {
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "ignore",
    all: true,
    reject: false,
  });
  if (!result.failed) return;
  const lines = (result.all || result.shortMessage || "").split("\n").slice(-20);
  throw new Error(`apt-get ${args.join(" ")} failed:\n${lines.join("\n")}`);
}

const hasLists = async (): Promise<boolean> =>
  (await readdir(APT_LISTS).catch(() => [])).some((name) => name.includes("_Packages"));

const packagesOf = (needs: readonly Need[]): string[] => [
  ...new Set(needs.map((need) => need.debian)),
];

function howToInstall(lacking: readonly Need[]): string {
  const programs = lacking.map((need) => `  ${need.command} (${need.purpose})`).join("\n");
  const packages = packagesOf(lacking);
  const hints = [
    packages.includes("nix-bin") ? "Nix itself is at nixos.org/download." : "",
    packages.includes("apt")
      ? "The starter package set is made from Debian's archive by apt: elsewhere than on " +
        "Debian or Ubuntu set PACKAGE_SET to channel:<name or commit>, git:<url>, path:<dir> or flake:<url>."
      : "",
  ].filter(Boolean);
  return [
    `these programs are missing:\n${programs}`,
    `On Debian or Ubuntu: apt-get install ${packages.join(" ")} (as root, npm start does it ` +
      `by itself). Elsewhere: install them with your system's package manager.`,
    ...hints,
  ].join("\n");
}
