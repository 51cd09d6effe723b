/** What all calls of Nix have in common: state, limits and environment. */
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
  /** The edge's name for the build that a call is for: FIRN_BUILD in its environment. */
  readonly trace?: string | undefined;
  /** The farm's binary cache, see cache/. */
  readonly cache?: CacheHooks | undefined;
}

/** How builds use the farm's binary cache (cache/). */
export interface CacheHooks {
  /** The cache's URL and trusted keys (`name:key`); undefined when it is not read. */
  readonly substituter?: { readonly url: string; readonly keys: readonly string[] } | undefined;
  /** Called with the derivations that nix-build has just built on this machine. */
  readonly built: (derivations: readonly string[]) => void;
}

/** Variables of Nix's store, daemon and configuration; not NIX_PATH, which would add to the set. */
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
 * Variables for downloads by Nix, and by derivations that name them (impureEnvVars): the starter
 * set fetches with the machine's apt.
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
 * The environment of a call of Nix: these variables of this process and no others. With `settings`,
 * HOME is an empty directory, so that evaluations and builds read no ~/.config/nixpkgs, ~/.netrc or
 * SSH keys. `network`: whether the call may download.
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
    // For people, who see it with `ps e`. Nix does not hand it to builders.
    ...(settings?.trace === undefined ? {} : { FIRN_BUILD: settings.trace }),
  };
}

function emptyHome(stateDir: string): string {
  const home = resolve(stateDir, "home");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return home;
}

/** The directory of store paths. */
export const storeDir = (): string => process.env["NIX_STORE_DIR"] ?? "/nix/store";

/** Directory of Firn's Nix files. */
export const NIX_DIR = join(import.meta.dirname, "..", "..", "nix");
