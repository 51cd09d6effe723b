/**
 * How Nix must be configured to work where it is used without its daemon, by root: a container, a
 * fresh Debian machine.
 */
import { access, readFile } from "node:fs/promises";

const SYSTEM_CONFIG = "/etc/nix/nix.conf";
const DAEMON_SOCKET = "/nix/var/nix/daemon-socket/socket";

export interface NixSituation {
  readonly root: boolean;
  /** A Nix daemon listens: it builds, by its own configuration. */
  readonly daemon: boolean;
  /** What somebody configured: NIX_CONFIG and nix.conf together. */
  readonly configured: string;
  /**
   * The packages come from nixpkgs, whose binary cache saves hours; the starter set's are on no
   * cache at all.
   */
  readonly starter: boolean;
}

/**
 * The settings to add as NIX_CONFIG, one a line; nothing where somebody has configured the same.
 *   build-users-group =   root alone builds as itself: there are no build users
 *   sandbox = false       the sandbox needs these users and namespaces. Only here, where it is one's own machine.
 *   substituters =        asking a binary cache for what is on none costs a time-out for every package
 *   max-jobs = auto       Nix's own default builds on one core
 */
export function nixSettings({ root, daemon, configured, starter }: NixSituation): string[] {
  const free = (name: string): boolean =>
    !new RegExp(`^\\s*(extra-)?${name}\\s*=`, "m").test(configured);
  const settings: string[] = [];
  if (root && !daemon && free("build-users-group")) {
    settings.push("build-users-group =");
    if (free("sandbox")) settings.push("sandbox = false");
  }
  if (starter && free("substituters")) settings.push("substituters =");
  if (free("max-jobs")) settings.push("max-jobs = auto");
  return settings;
}

/** NIX_CONFIG for the processes that call Nix here. */
export async function nixConfig(env: NodeJS.ProcessEnv, starter: boolean): Promise<string> {
  const given = env["NIX_CONFIG"] ?? "";
  const system = await readFile(SYSTEM_CONFIG, "utf8").catch(() => "");
  const daemon = await access(DAEMON_SOCKET).then(
    () => true,
    () => false,
  );
  const settings = nixSettings({
    root: process.getuid?.() === 0,
    daemon,
    configured: `${given}\n${system}`,
    starter,
  });
  return [...(given === "" ? [] : [given]), ...settings].join("\n");
}
