/**
 * What every call of Nix has in common: where its state is, how long it may take, and its
 * environment.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { NixLimits } from "./limits.ts";

/** Longest evaluation and build of one job when nothing is configured, seconds. */
export const DEFAULT_NIX_TIMEOUT = 600;

export interface NixSettings {
  /** Directory of roots, clones and the empty home; absolute. */
  readonly stateDir: string;
  /** Longest evaluation and build of one job, seconds. */
  readonly nixTimeout: number;
  /** What a package may cost; unset: the defaults. */
  readonly limits?: Partial<NixLimits> | undefined;
  /** NIX_CONFIG for every call; unset: the machine's own configuration. */
  readonly nixConfig?: string | undefined;
  /**
   * URIs that an evaluation may fetch (Nix's allowed-uris). None by default: an evaluation could
   * reach hosts of the internal network (NixOS/nix#7098).
   */
  readonly allowedUris?: readonly string[] | undefined;
  /** The build that calls are for, as the logs call it: FIRN_BUILD in their environment. */
  readonly trace?: string | undefined;
  /** The farm's binary cache, see cache/. */
  readonly cache?: CacheHooks | undefined;
}

/** What the farm's binary cache has to do with a build. */
export interface CacheHooks {
  /** Where Nix finds it, and whose signatures count: `name:key`; undefined when none is read. */
  readonly substituter?: { readonly url: string; readonly keys: readonly string[] } | undefined;
  /** Derivations that nix-build has just built here. */
  readonly built: (derivations: readonly string[]) => void;
}

/**
 * How Nix finds its store, daemon and configuration. Not NIX_PATH: the package set decides what
 * `<nixpkgs>` means.
 */
const NIX_VARIABLES = [
  "NIX_CONFIG",
  "NIX_REMOTE",
  "NIX_STORE_DIR",
  "NIX_STATE_DIR",
  "NIX_LOG_DIR",
  "NIX_DATA_DIR",
  "NIX_CONF_DIR",
  "NIX_USER_CONF_FILES",
  "NIX_DAEMON_SOCKET_PATH",
  "NIX_SSL_CERT_FILE",
  "NIX_IGNORE_SYMLINK_STORE",
  "NIX_LOCALSTATE_DIR",
];

/**
 * For downloads, by Nix itself and by derivations that ask for them (impureEnvVars; the starter set
 * fetches with the machine's apt).
 */
const NETWORK_VARIABLES = [
  "http_proxy",
  "https_proxy",
  "ftp_proxy",
  "all_proxy",
  "no_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
  "SSL_CERT_FILE",
  "CURL_CA_BUNDLE",
  "APT_CONFIG",
];

/**
 * The environment of a call of Nix: these variables of this process and nothing else. With
 * `settings` its home directory is empty: no ~/.config/nixpkgs, no ~/.netrc, no SSH keys for what
 * is evaluated or built. `network`: the call may download.
 */
export function nixEnvironment(
  settings?: Pick<NixSettings, "stateDir" | "nixConfig" | "trace">,
  { network = false }: { readonly network?: boolean } = {},
): Record<string, string> {
  const names = ["PATH", "TMPDIR", ...NIX_VARIABLES, ...(network ? NETWORK_VARIABLES : [])];
  const kept = names.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...Object.fromEntries(kept),
    LC_ALL: "C.UTF-8",
    ...(settings === undefined ? {} : { HOME: emptyHome(settings.stateDir) }),
    ...(settings?.nixConfig === undefined ? {} : { NIX_CONFIG: settings.nixConfig }),
    // For people, who find it in /proc or by `ps e`: no builder gets this environment.
    ...(settings?.trace === undefined ? {} : { FIRN_BUILD: settings.trace }),
  };
}

function emptyHome(stateDir: string): string {
  const home = resolve(stateDir, "home");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return home;
}

/** Directory of store paths; Nix's own default. */
export const storeDir = (): string => process.env["NIX_STORE_DIR"] ?? "/nix/store";

/** Directory of Firn's Nix files. */
export const NIX_DIR = join(import.meta.dirname, "..", "..", "nix");
