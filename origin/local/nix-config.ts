/**
 * How Nix must be configured to work without its daemon: in a container, or on a fresh Debian
 * machine. It overrides nothing that somebody has configured.
 *
 * Builds are sandboxed, except for the starter set, whose builds use the machine's own apt and dpkg
 * and ask Nix to run outside of the sandbox (nix/starter/units.nix).
 */
import { existsSync } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { probeSandbox, type Sandbox } from "../nix/sandbox.ts";
import { FIXED_VERSIONS, isVulnerable } from "../nix/version.ts";
import { BUILD_GROUP, buildUsersExist } from "./build-users.ts";

const SYSTEM_CONFIG = "/etc/nix/nix.conf";
const DAEMON_SOCKET = "/nix/var/nix/daemon-socket/socket";
/**
 * The machine's programs and their libraries, shown in the sandbox: package sets that people write
 * themselves use at least /bin/sh, which Debian's Nix does not add to its sandbox.
 */
const PROGRAMS = ["/bin", "/usr", "/lib", "/lib64", "/etc/alternatives"];

export interface NixSituation {
  readonly root: boolean;
  /** Whether a Nix daemon listens: then it builds, with its own configuration. */
  readonly daemon: boolean;
  /** Whether there are users as which builds can run. */
  readonly buildUsers: boolean;
  /** What somebody has configured: NIX_CONFIG and nix.conf together. */
  readonly configured: string;
  /**
   * Whether packages come from nixpkgs, whose binary cache saves hours; those of the starter set
   * are on no cache.
   */
  readonly starter: boolean;
  /** Those of PROGRAMS that this machine has. */
  readonly programs: readonly string[];
}

/** Whether somebody has configured a setting. */
const sets = (configured: string, name: string): boolean =>
  new RegExp(`^\\s*(extra-)?${name}\\s*=`, "m").test(configured);

/**
 * The settings to add as NIX_CONFIG, one a line; nothing where somebody has configured the same.
 *   build-users-group =   root builds as itself where there are no build users
 *   sandbox = false       for the starter set alone
 *   sandbox-fallback      without it Nix silently builds without a sandbox where the kernel gives none
 *   sandbox-paths         never where builds run as root, which could write there
 *   substituters =        asking a binary cache for what is on none costs a time-out for every package
 *   max-jobs = auto       Nix's own default builds on one core
 */
export function nixSettings(situation: NixSituation): string[] {
  const { root, daemon, buildUsers, configured, starter, programs } = situation;
  const free = (name: string): boolean => !sets(configured, name);
  const settings: string[] = [];
  const ownUsers = root && !daemon && free("build-users-group");
  if (ownUsers) settings.push(`build-users-group = ${buildUsers ? BUILD_GROUP : ""}`.trim());
  const asRoot =
    root && (ownUsers ? !buildUsers : /^\s*build-users-group\s*=\s*$/m.test(configured));
  if (!daemon && free("sandbox")) {
    if (!starter) {
      settings.push("sandbox = true", "sandbox-fallback = false");
      if (!asRoot && free("sandbox-paths")) settings.push(`sandbox-paths = ${programs.join(" ")}`);
    } else if (root) settings.push("sandbox = false");
  }
  if (starter && free("substituters")) settings.push("substituters =");
  if (free("max-jobs")) settings.push("max-jobs = auto");
  return settings;
}

/** NIX_CONFIG for the processes that call Nix here. */
export async function nixConfig(env: NodeJS.ProcessEnv, starter: boolean): Promise<string> {
  const given = env["NIX_CONFIG"] ?? "";
  const settings = nixSettings({ ...(await thisMachine(env)), starter });
  return [...(given === "" ? [] : [given]), ...settings].join("\n");
}

/** Whether root's builds need users that nobody has named. */
export async function needsBuildUsers(env: NodeJS.ProcessEnv): Promise<boolean> {
  const { root, daemon, configured } = await thisMachine(env);
  return root && !daemon && !sets(configured, "build-users-group");
}

async function thisMachine(env: NodeJS.ProcessEnv): Promise<Omit<NixSituation, "starter">> {
  const system = await readFile(SYSTEM_CONFIG, "utf8").catch(() => "");
  const daemon = await access(DAEMON_SOCKET).then(
    () => true,
    () => false,
  );
  return {
    root: process.getuid?.() === 0,
    daemon,
    buildUsers: await buildUsersExist(),
    configured: `${system}\n${env["NIX_CONFIG"] ?? ""}`,
    programs: PROGRAMS.filter((path) => existsSync(path)),
  };
}

export interface LocalSafety {
  readonly starter: boolean;
  /** Other machines reach the edge. */
  readonly forOthers: boolean;
  /** NIX_CONFIG of the origin. */
  readonly config: string;
  /** Nix's version. */
  readonly nix: string;
}

/**
 * Why a Firn on this machine must not build, and what to do, for a person; undefined when it may.
 * For this machine alone, the starter set may build without a sandbox, and so may anybody who has
 * configured that.
 */
export async function unsafeHere(
  { starter, forOthers, config, nix }: LocalSafety,
  probe: (config: string) => Promise<Sandbox> = probeSandbox,
): Promise<string | undefined> {
  const isOff = /^\s*sandbox\s*=\s*(false|relaxed)\s*$/m.test(config);
  if (!forOthers && (starter || isOff)) return undefined;
  if (starter)
    return (
      "the starter set is built without a sandbox, so it is for this machine alone: take " +
      "another PACKAGE_SET or HOST=127.0.0.1, or set ALLOW_UNSAFE_ORIGINS=on where only " +
      "people you trust reach this machine"
    );
  if (forOthers && isVulnerable(nix))
    return (
      `Nix ${nix} lets builds leave the sandbox (CVE-2024-27297, CVE-2026-39860): update ` +
      `it to ${FIXED_VERSIONS.join(", ")} or newer, take HOST=127.0.0.1, or set ` +
      `ALLOW_UNSAFE_ORIGINS=on where only people you trust reach this machine`
    );
  const { sandboxed, reason } = await probe(config);
  if (sandboxed) return undefined;
  const allow = forOthers
    ? "set ALLOW_UNSAFE_ORIGINS=on where only people you trust reach this machine"
    : "say so with NIX_CONFIG='sandbox = false' where all packages of the set are your own";
  return (
    `Nix cannot sandbox builds here (${reason}): use a kernel that lets it make ` +
    `namespaces (user.max_user_namespaces), or ${allow}`
  );
}
