/**
 * The rules of image names (names.ts) as plain values, so that the page in the browser has them
 * without a parser.
 */

/** One component of the distribution spec's `<name>` grammar ("Pulling manifests"). */
export const COMPONENT_PATTERN = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
/** The distribution spec's `<reference>` grammar for tags ("Pulling manifests"). */
export const TAG_PATTERN = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/**
 * Most components in a name: each may need a build, and each adds layers (an image has at most
 * about 120).
 */
export const MAX_COMPONENTS = 64;
/**
 * Longest name, characters: what clients and docker's registry accept (distribution spec, "Pulling
 * manifests": many clients limit host and name to 255).
 */
export const MAX_NAME_LENGTH = 255;
/**
 * Most packages in an alias, and in any image. At the coarsest level every package is one layer and
 * the base another, and docker mounts at most 119 layers of packages (levels.ts): the base, the
 * four packages of `shell`, these, and two to spare.
 */
export const MAX_ALIAS_PACKAGES = 112;
/**
 * In every image: the certificates that SSL_CERT_FILE names, and /etc/protocols and /etc/services.
 */
export const BASE_PACKAGES: readonly string[] = ["cacert", "iana-etc"];
/** The meta-package for a shell: it adds SHELL_PACKAGES, and makes bash the command. */
export const SHELL = "shell";
/**
 * What `shell` stands for. `bashinteractive` finds bashInteractive: registry names have no
 * capitals.
 */
export const SHELL_PACKAGES: readonly string[] = [
  "bashinteractive",
  "coreutils",
  "moreutils",
  "nano",
];
