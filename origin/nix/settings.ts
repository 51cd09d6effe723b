/**
 * What every call of Nix here has in common: where state lies, how long things may take, and the
 * environment, which holds only what is needed.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";

/** Longest evaluation and build of one job when nothing is configured, seconds. */
export const DEFAULT_NIX_TIMEOUT = 600;

export interface NixSettings {
  /** Keeps roots, clones and the empty home directory; absolute. */
  readonly stateDir: string;
  /** Longest evaluation and build of one job, seconds. */
  readonly nixTimeout: number;
  /** NIX_CONFIG for every call, where the machine's own configuration is not to decide. */
  readonly nixConfig?: string | undefined;
  /**
   * URIs that an evaluation may fetch (Nix's allowed-uris); none by default, for it could reach
   * inner hosts (NixOS/nix#7098).
   */
  readonly allowedUris?: readonly string[] | undefined;
}

/**
 * How Nix finds its store, daemon and configuration. NIX_PATH is not among them: what `<nixpkgs>`
 * means is the package set's business.
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

/** The environment of a call that only reads or evaluates. */
export function nixEnvironment(
  settings: Pick<NixSettings, "nixConfig"> & { readonly home?: string } = {},
): Record<string, string> {
  return {
    ...picked(["PATH", "TMPDIR", ...NIX_VARIABLES]),
    LC_ALL: "C.UTF-8",
    ...(settings.home === undefined ? {} : { HOME: settings.home }),
    ...(settings.nixConfig === undefined ? {} : { NIX_CONFIG: settings.nixConfig }),
  };
}

/** The environment of a call that may download. */
export function downloadEnvironment(
  settings: Parameters<typeof nixEnvironment>[0] = {},
): Record<string, string> {
  return { ...picked(NETWORK_VARIABLES), ...nixEnvironment(settings) };
}

/**
 * An own, empty home directory: no ~/.config/nixpkgs, no ~/.netrc, no SSH keys for whatever is
 * evaluated or built.
 */
export function emptyHome(stateDir: string): string {
  const home = resolve(stateDir, "home");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  return home;
}

/** Directory of the Nix files of this program. */
export const NIX_DIR = join(import.meta.dirname, "..", "..", "nix");

function picked(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}
