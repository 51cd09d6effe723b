/**
 * Where packages come from, as PACKAGE_SET says it: `starter`, `channel:<name or commit>`,
 * `git:<url>` or `path:<dir>`. `id` is part of every key of the bucket and of an origin's hello: the
 * edge and its origins agree on it, whatever credentials or directories each has.
 */
import { sha256Hex } from "./digest.ts";

interface Common {
  /** Identity: part of every key. */
  readonly id: string;
  /** For people: never with credentials or a local path in it. */
  readonly label: string;
}
export interface StarterSet extends Common {
  readonly kind: "starter";
}
export interface ChannelSet extends Common {
  readonly kind: "channel";
  /**
   * A channel's name (`nixos-unstable`) or a 40-hex commit of nixpkgs: what the tag `latest` means.
   */
  readonly channel: string;
}
export interface GitSet extends Common {
  readonly kind: "git";
  /** As configured, with its user information: for the origin's git alone. */
  readonly url: string;
}
export interface PathSet extends Common {
  readonly kind: "path";
  readonly dir: string;
}
export type PackageSetSpec = StarterSet | ChannelSet | GitSet | PathSet;

const FORMS = "starter, channel:<name or 40-hex commit>, git:<url> or path:<directory>";
/** Channel names go into a URL and onto command lines. */
const CHANNEL = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/;
/**
 * Transports of git that run no program of the URL's choosing (`ext::` and `fd::` do:
 * nova-nix#143).
 */
const GIT_SCHEMES = new Set(["https:", "http:", "ssh:", "git:", "file:"]);
/** scp's form, `user@host:path`; a leading `-` would be an option to ssh. */
const SCP = /^(?:[a-zA-Z0-9_.]+@)?([a-zA-Z0-9][a-zA-Z0-9.-]*):([^-:\s][^:\s]*)$/;
/** Hex digits of a git set's identity: 64 bits keep the URLs of one bucket apart. */
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
          "before the host: https://user:token@host/path",
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
  throw new Error(
    `package set ${kind === "" ? `"${spec}"` : `"${kind}:…"`} is unknown: use ${FORMS}`,
  );
}

/**
 * A git URL without user name and password, or null when it is none that is allowed. A query is not:
 * git appends its own to it, so no server is meant by one, and a token in it would be on a command
 * line for everybody to read.
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
