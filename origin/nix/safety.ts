/**
 * Whether this machine may build what strangers choose, as everybody who pulls does. Where others
 * can pull, three things are required: builds run in Nix's sandbox, the sandbox has no known holes,
 * and builds do not run as root.
 */
import { readFileSync } from "node:fs";
import type { Logger } from "pino";
import { isLoopback } from "../../edge/contract/loopback.ts";
import { probeSandbox, type Sandbox } from "./sandbox.ts";
import { FIXED_VERSIONS, isVulnerable, nixVersion } from "./version.ts";

/** What an origin tells edges of its Nix. */
export interface NixSafety {
  readonly nix: string;
  readonly sandbox: boolean;
  readonly nixVulnerable: boolean;
}

export interface SafetyOptions {
  readonly edges: readonly URL[];
  /** Set by operators where only people they trust can pull. */
  readonly allowVulnerableNix: boolean;
  readonly allowUnsandboxed: boolean;
}

/** A command that makes build users (build-users-group), as Nix's installer does. */
export const BUILD_USERS_COMMAND =
  "groupadd --system nixbld && for n in $(seq 32); do useradd --system --gid nixbld --groups " +
  "nixbld --no-create-home --home-dir /var/empty --shell /usr/sbin/nologin nixbld$n; done";

/**
 * The version of the machine's Nix, and whether builds can leave its sandbox. Throws as `report`
 * does.
 */
export async function checkVersion(
  options: SafetyOptions,
  logger: Logger,
): Promise<Pick<NixSafety, "nix" | "nixVulnerable">> {
  const nix = await nixVersion();
  const nixVulnerable = isVulnerable(nix);
  if (nixVulnerable) report(vulnerable(nix, options.allowVulnerableNix), options, logger);
  return { nix, nixVulnerable };
}

/** Whether builds are sandboxed here, and not as root. Throws as `report` does. */
export async function checkSandbox(
  options: SafetyOptions,
  logger: Logger,
): Promise<Pick<NixSafety, "sandbox">> {
  const sandbox = await probeSandbox();
  if (!sandbox.sandboxed) report(unsandboxed(sandbox, options.allowUnsandboxed), options, logger);
  if (buildsAsRoot(sandbox)) report(asRoot(options.allowUnsandboxed), options, logger);
  return { sandbox: sandbox.sandboxed };
}

/**
 * Logs a warning when all edges are on this machine, or the operator allows the fault. Otherwise
 * throws an Error with the fault and what to do, since others may pull from the edges elsewhere.
 * (An edge on this machine that others reach refuses such an origin itself.)
 */
function report(fault: Fault, { edges }: SafetyOptions, logger: Logger): void {
  const { problem, advice, allowed } = fault;
  const remote = edges.map((edge) => edge.host).filter((host) => !isLoopback(host));
  if (remote.length > 0 && !allowed)
    throw new Error(`${problem}, and ${remote.join(", ")} may be open to the public: ${advice}`);
  logger.warn(`${problem}: let only people you trust pull from this edge`);
}

interface Fault {
  readonly problem: string;
  /** What the operator can do about it. */
  readonly advice: string;
  readonly allowed: boolean;
}

const vulnerable = (nix: string, allowed: boolean): Fault => ({
  problem: `Nix ${nix} lets builds leave the sandbox (CVE-2024-27297, CVE-2026-39860)`,
  advice:
    `update Nix to ${FIXED_VERSIONS.join(", ")} or newer, or set --allow-vulnerable-nix ` +
    `(ALLOW_VULNERABLE_NIX) where only people you trust can pull`,
  allowed,
});

const unsandboxed = ({ reason }: Sandbox, allowed: boolean): Fault => ({
  problem: `builds are not sandboxed here (${reason})`,
  advice:
    "set `sandbox = true` and `sandbox-fallback = false` in nix.conf, on a kernel that lets " +
    "Nix make namespaces (user.max_user_namespaces), or set --allow-unsandboxed " +
    "(ALLOW_UNSANDBOXED) where only people you trust can pull",
  allowed,
});

const asRoot = (allowed: boolean): Fault => ({
  problem: "builds run as root here",
  advice:
    `make build users and name their group in nix.conf (build-users-group = nixbld): ` +
    `${BUILD_USERS_COMMAND} – or run the origin as another user, or set --allow-unsandboxed ` +
    `(ALLOW_UNSANDBOXED) where only people you trust can pull`,
  allowed,
});

/** Whether builds run as root: what the probe saw, else by the configuration of root's Nix. */
function buildsAsRoot({ sandboxed, asRoot }: Sandbox): boolean {
  if (asRoot !== undefined) return asRoot;
  return (
    sandboxed && process.getuid?.() === 0 && /^\s*build-users-group\s*=\s*$/m.test(configured())
  );
}

function configured(): string {
  const directory = process.env["NIX_CONF_DIR"] ?? "/etc/nix";
  let system = "";
  try {
    system = readFileSync(`${directory}/nix.conf`, "utf8");
  } catch {
    // Nix has defaults for everything.
  }
  return `${system}\n${process.env["NIX_CONFIG"] ?? ""}`;
}
