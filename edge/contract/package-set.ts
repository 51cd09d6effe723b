/**
 * Where packages come from, as PACKAGE_SET says: `starter`, `channel:<name or commit>`,
 * `git:<url>`, `path:<dir>` or `flake:<url>`. `id` is part of every key in the bucket and of an
 * origin's hello: the edge and its origins agree on it, whatever credentials or directories each
 * has.
 */
import { sha256Hex } from "./digest.ts";

interface Common {
  /** Identity: part of every key. */
  readonly id: string;
  /** For people: it contains neither credentials nor a local path. */
  readonly label: string;
}
interface StarterSet extends Common {
  readonly kind: "starter";
}
export interface ChannelSet extends Common {
  readonly kind: "channel";
  /**
   * A channel's name (`nixos-unstable`) or a 40-hex commit of nixpkgs: what the tag `latest` means.
   */
  readonly channel: string;
}
interface GitSet extends Common {
  readonly kind: "git";
  /** As configured, with user and password: only for the origin's git. */
  readonly url: string;
}
interface PathSet extends Common {
  readonly kind: "path";
  readonly dir: string;
}
/** A flake. Its files come from a git repository, or from a directory on the origin's machine. */
export interface FlakeSet extends Common {
  readonly kind: "flake";
  readonly files: GitSet | PathSet;
  /** Directory of flake.nix relative to the top of these files; empty for the top itself. */
  readonly subdirectory: string;
}
export type PackageSetSpec = StarterSet | ChannelSet | GitSet | PathSet | FlakeSet;

/** The set that decides tags and revisions: a flake has those of its files. */
export const filesOf = (set: PackageSetSpec): Exclude<PackageSetSpec, FlakeSet> =>
  set.kind === "flake" ? set.files : set;

const FORMS =
  "starter, channel:<name or 40-hex commit>, git:<url>, path:<directory> or flake:<url>";
/** Channel names go into a URL and onto command lines. */
const CHANNEL = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/;
/** Git transports that run no program named in the URL (`ext::` and `fd::` do). */
const GIT_SCHEMES = new Set(["https:", "http:", "ssh:", "git:", "file:"]);
/** scp's format, `user@host:path`. A leading `-` would be an option to ssh. */
const SCP = /^(?:[a-zA-Z0-9_.]+@)?([a-zA-Z0-9][a-zA-Z0-9.-]*):([^-:\s][^:\s]*)$/;
/** Hex digits of a git set's id: 64 bits distinguish the URLs that share a bucket. */
const GIT_ID_DIGITS = 16;

/**
 * Parses PACKAGE_SET. Throws an Error that names what was given (without credentials) and the
 * allowed forms.
 */
export async function parsePackageSet(spec: string): Promise<PackageSetSpec> {
  if (spec === "starter") return { kind: "starter", id: "starter", label: "starter" };
  const colon = spec.indexOf(":");
  const kind = spec.slice(0, Math.max(colon, 0));
  const value = spec.slice(colon + 1);
  if (kind === "channel") {
    if (!CHANNEL.test(value))
      throw new Error(
        `package set channel:${value} is not valid: a channel is a name such as ` +
          `nixos-unstable, or a 40-hex commit`,
      );
    return { kind, id: "channel", label: spec, channel: value };
  }
  if (kind === "git") {
    const shown = withoutSecrets(value);
    if (shown === null)
      throw new Error(
        "package set git:<url> is not valid: the URL is https://, http://, ssh://, git:// or " +
          "file://, or user@host:path; it has no query and no fragment, and a token in it stands " +
          "before the host: https://user:token@host/path; a directory is git:file:///srv/set.git",
      );
    const local = shown.startsWith("file:");
    return {
      kind,
      id: `git-${(await sha256Hex(shown)).slice(0, GIT_ID_DIGITS)}`,
      label: local ? "git" : `git:${shown}`,
      url: value,
    };
  }
  if (kind === "path") {
    if (value === "" || value.includes("\0"))
      throw new Error("package set path:<directory> names no directory");
    return { kind, id: "path", label: "path", dir: value };
  }
  if (kind === "flake") return flakeSet(value);
  throw new Error(
    `package set ${kind === "" ? `"${spec}"` : `"${kind}:…"`} is unknown: use ${FORMS}`,
  );
}

/** Forges that flakes have short forms for: `github:owner/repo`. */
const FORGES: Readonly<Record<string, string>> = {
  github: "https://github.com",
  gitlab: "https://gitlab.com",
  sourcehut: "https://git.sr.ht",
};
const SUBDIRECTORY = /^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*(\/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*)*$/;
const FLAKE_FORMS =
  "a flake is github:owner/repo, gitlab:owner/repo, sourcehut:~owner/repo, git+<url of git>, a URL " +
  "that git:<url> takes, or path:<directory>, with ?dir=<subdirectory> behind it where its " +
  "flake.nix is not at the top";

/**
 * A flake reference in Nix's format, without what selects a revision (`ref`, `rev`): here the tag
 * does that. The subdirectory is part of the identity, because it decides what the same files mean.
 */
async function flakeSet(reference: string): Promise<FlakeSet> {
  const [address = "", query = ""] = reference.split(/\?(.*)/s);
  const options = new URLSearchParams(query);
  const subdirectory = options.get("dir") ?? "";
  const others = [...options.keys()].filter((key) => key !== "dir");
  if (others.includes("ref") || others.includes("rev"))
    throw new Error(
      "package set flake:<url> takes no ref and no rev: whoever pulls chooses them, by the tag",
    );
  const wrong = new Error(`package set flake:<url> is not valid: ${FLAKE_FORMS}`);
  if (others.length > 0 || address.includes("#")) throw wrong;
  if (subdirectory !== "" && !SUBDIRECTORY.test(subdirectory)) throw wrong;
  const files = await parsePackageSet(filesSpec(address)).catch(() => Promise.reject(wrong));
  if (files.kind !== "git" && files.kind !== "path") throw wrong;
  const dir = subdirectory === "" ? "" : `?dir=${subdirectory}`;
  const identity = files.kind === "git" ? `${files.id}${dir}` : dir;
  const shown = files.label.includes(":") ? files.label.replace("git:", ":") : "";
  return {
    kind: "flake",
    id: `flake-${(await sha256Hex(identity)).slice(0, GIT_ID_DIGITS)}`,
    label: `flake${shown}${dir}`,
    files,
    subdirectory,
  };
}

/** The package set that provides the files of a flake. */
function filesSpec(address: string): string {
  const [, forge = "", repository = ""] = /^(github|gitlab|sourcehut):(.*)$/s.exec(address) ?? [];
  const base = FORGES[forge];
  if (base !== undefined)
    return /^[~A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)+$/.test(repository)
      ? `git:${base}/${repository}`
      : "git:";
  if (address.startsWith("path:")) return address;
  if (/^[./]/.test(address)) return `path:${address}`;
  return `git:${address.replace(/^git\+/, "")}`;
}

/**
 * A git URL without user name and password, or null when it is not allowed. A query is not: git
 * appends its own, so no server expects one, and a token in it would be readable on a command line.
 */
function withoutSecrets(url: string): string | null {
  const scp = url.includes("://") ? null : SCP.exec(url);
  if (scp) return `${scp[1]}:${scp[2]}`;
  if (/\s/.test(url) || !URL.canParse(url)) return null;
  const parsed = new URL(url);
  if (!GIT_SCHEMES.has(parsed.protocol) || !url.startsWith(`${parsed.protocol}//`)) return null;
  if (parsed.protocol !== "file:" && (parsed.hostname === "" || parsed.hostname.startsWith("-")))
    return null;
  if (parsed.protocol !== "file:" && (parsed.search !== "" || parsed.hash !== "")) return null;
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}
