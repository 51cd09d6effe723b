/**
 * Configures Nix to work without its daemon, as in a container or on a new Debian machine. Nothing
 * that somebody has configured is overridden.
 *
 * Builds are sandboxed, except those of the starter set: they use the machine's apt and dpkg, for
 * which they run outside of the sandbox (nix/starter/units.nix).
 */
import { existsSync } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { probeSandbox, type Sandbox } from "../nix/sandbox.ts";
import { FIXED_VERSIONS, isVulnerable } from "../nix/version.ts";
import { BUILD_GROUP, buildUsersExist } from "./build-users.ts";

const SYSTEM_CONFIG = "/etc/nix/nix.conf";
const DAEMON_SOCKET = "/nix/var/nix/daemon-socket/socket";
/**
 * The machine's programs and libraries, which are made visible in the sandbox: package sets that
 * people write use at least /bin/sh, which the sandbox of Debian's Nix lacks.
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
  /** Whether the package set is the starter set, of which no binary cache has packages. */
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
 *   sandbox-fallback      if true, Nix builds without a sandbox where the kernel refuses one
 *   sandbox-paths         not where builds run as root, since they could write there
 *   substituters =        for the starter set: without a network each package would wait for a cache
 *   max-jobs = auto       Nix's default is one build at a time
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

/** Whether builds need build users: this is root, without a daemon or a configured group. */
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
  /** Whether other machines can reach the edge. */
  readonly forOthers: boolean;
  /** NIX_CONFIG of the origin. */
  readonly config: string;
  /** Nix's version. */
  readonly nix: string;
}

/**
 * Why this machine must not build, and what to do; undefined when it may. If other machines cannot
 * reach the edge, the starter set may be built without a sandbox, and so may any set if that is
 * configured.
 */
export async function unsafeHere(
  { starter, forOthers, config, nix }: LocalSafety,
  probe: (config: string) => Promise<Sandbox> = probeSandbox,
): Promise<string | undefined> {
  const isOff = /^\s*sandbox\s*=\s*(false|relaxed)\s*$/m.test(config);
  if (!forOthers && (starter || isOff)) return undefined;
  if (starter)
    return (
      "the starter set is built without a sandbox, so it is for this machine alone: use " +
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
    : "set NIX_CONFIG='sandbox = false' where all packages of the set are your own";
  return (
    `Nix cannot sandbox builds here (${reason}): use a kernel that lets it make ` +
    `namespaces (user.max_user_namespaces), or ${allow}`
  );
}
