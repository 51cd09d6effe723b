/**
 * The image's configuration (OCI image spec, config.md): what it runs, and its labels and history.
 */
import type { Digest } from "../contract/digest.ts";
import { canonicalJson, type Scope } from "../contract/keys.ts";
import { BASE_PACKAGES, canonicalName, PACKAGES_LABEL } from "../contract/names.ts";
import { type PackageRecord, PLATFORMS } from "../contract/records.ts";

/**
 * Creation time of everything: a second after 1970, like the modification time of the files, so
 * that the same packages make the same image at any time.
 */
export const CREATED = "1970-01-01T00:00:01Z";

/**
 * Docker's default. /bin and /sbin come from the profile; /usr/local is for images built on top.
 */
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Terminal programs need an encoding: tmux does not start without one. */
const LANG = "C.UTF-8";
const CERTIFICATES = "/etc/ssl/certs/ca-bundle.crt";
/** Most packages that one history entry names. */
const MAX_USERS = 5;

/** One layer of the image, bottom first. */
export interface ConfigLayer {
  readonly diffId: Digest;
  /** Names of the packages that contain it, sorted; empty for the profile layer. */
  readonly users: readonly string[];
}

/**
 * An image's labels and annotations. They depend only on what is in the image's key, never on how
 * its name was written.
 */
export function describe(
  scope: Scope,
  packages: readonly PackageRecord[],
  shell: boolean,
): Record<string, string> {
  const names = packages.map(({ name }) => name);
  const [only, ...others] = distinct(packages.filter(({ name }) => !BASE_PACKAGES.includes(name)));
  const one = !shell && others.length === 0 ? only : undefined;
  return {
    "org.opencontainers.image.title": canonicalName(names, shell),
    "org.opencontainers.image.revision": scope.revision,
    ...(one?.version ? { "org.opencontainers.image.version": one.version } : {}),
    ...(one?.description ? { "org.opencontainers.image.description": one.description } : {}),
    "dev.firn.package-set": scope.packageSet,
    [PACKAGES_LABEL]: names.join(","),
  };
}

/**
 * What the image runs by default: bash for `shell`, else the main program of the one requested
 * package that has one; undefined when none or several have. `packages` are sorted by name. cacert
 * and iana-etc, which are in every image, never count.
 */
function commandOf(packages: readonly PackageRecord[], shell: boolean): string[] | undefined {
  if (shell) return ["/bin/bash"];
  const [only, ...others] = distinct(
    packages.filter(
      ({ name, mainProgram }) => mainProgram !== undefined && !BASE_PACKAGES.includes(name),
    ),
  );
  return only && others.length === 0 ? [`/bin/${only.mainProgram}`] : undefined;
}

/**
 * The config blob. `packages` are sorted by name; the profile layer is the last of `layers`.
 * `config` is always present: Kubernetes requires it.
 */
export function encodeConfig(
  scope: Scope,
  packages: readonly PackageRecord[],
  shell: boolean,
  layers: readonly ConfigLayer[],
): string {
  const command = commandOf(packages, shell);
  return canonicalJson({
    ...PLATFORMS[scope.system],
    created: CREATED,
    config: {
      Env: [
        `PATH=${PATH}`,
        `SSL_CERT_FILE=${CERTIFICATES}`,
        ...(isUtf8(packages) ? [`LANG=${LANG}`] : []),
      ],
      ...(command ? { Cmd: command } : {}),
      WorkingDir: "/",
      Labels: describe(scope, packages, shell),
    },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ users }) => ({
      created: CREATED,
      created_by: "firn",
      comment: comment(users),
    })),
  });
}

function comment(users: readonly string[]): string {
  if (users.length === 0) return "links to the packages, and their smallest dependencies";
  const rest = users.length - MAX_USERS;
  return users.slice(0, MAX_USERS).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

/**
 * Whether every C library in the image has the locale C.UTF-8. Programs of one without it would
 * print warnings.
 */
const isUtf8 = (packages: readonly PackageRecord[]): boolean =>
  packages.some(({ utf8 }) => utf8 === true) && packages.every(({ utf8 }) => utf8 !== false);

/** Without repetitions of a store path under another name; the first name stays. */
function distinct(packages: readonly PackageRecord[]): PackageRecord[] {
  return packages.filter(
    ({ storePath }, index) =>
      packages.findIndex((other) => other.storePath === storePath) === index,
  );
}
