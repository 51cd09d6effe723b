/** Debian's package lists (the Packages files of a repository): the fields that the set needs. */
import { compareVersions } from "./debian-version.ts";

export interface DebPackage {
  readonly name: string;
  readonly version: string;
  readonly section: string;
  readonly description: string;
  /** Empty where the archive names none. */
  readonly homepage: string;
  /** Pre-Depends and Depends, without versions: each clause is a list of alternative names. */
  readonly depends: readonly (readonly string[])[];
  /** Path of the .deb below the repository's root. */
  readonly file: string;
  readonly sha256: string;
  /** Debian's Installed-Size, bytes: an estimate of its size when unpacked. */
  readonly installed: number;
  /** The suite as the machine's sources name it: `bookworm-security`. */
  readonly suite: string;
}

export interface PackageIndex {
  readonly names: ReadonlySet<string>;
  get(name: string): DebPackage | undefined;
  /** Names of the packages that provide a virtual one, sorted. */
  providers(name: string): readonly string[];
}

/** Parses a field such as Depends: `a (>= 1) | b:any, c` → [["a", "b"], ["c"]]. */
export function parseDepends(field: string): string[][] {
  return field
    .split(",")
    .map((clause) =>
      clause
        .split("|")
        .map((alternative) => alternative.replace(/[([:].*$/s, "").trim())
        .filter(Boolean),
    )
    .filter((clause) => clause.length > 0);
}

interface Entry {
  readonly text: string;
  readonly version: string;
  readonly suite: string;
}

const field = (text: string, name: string): string => {
  const start = text.startsWith(`${name}: `) ? 0 : text.indexOf(`\n${name}: `) + 1;
  if (start === 0 && !text.startsWith(`${name}: `)) return "";
  const end = text.indexOf("\n", start);
  return text.slice(start + name.length + 2, end < 0 ? undefined : end).trim();
};

/**
 * The index of several lists. Of two versions of a package it has the higher one. Entries are
 * parsed when they are asked for: a few hundred of 60,000.
 */
export function indexPackages(
  lists: readonly { readonly text: string; readonly suite: string }[],
): PackageIndex {
  const entries = new Map<string, Entry>();
  for (const { text, suite } of lists) {
    for (const paragraph of text.split("\n\n")) {
      const name = field(paragraph, "Package");
      if (name === "") continue;
      const version = field(paragraph, "Version");
      const other = entries.get(name);
      if (other && compareVersions(other.version, version) >= 0) continue;
      entries.set(name, { text: paragraph, version, suite });
    }
  }
  const provided = new Map<string, string[]>();
  for (const [name, { text }] of entries) {
    for (const [virtual = ""] of parseDepends(field(text, "Provides")))
      provided.set(virtual, [...(provided.get(virtual) ?? []), name]);
  }
  for (const names of provided.values()) names.sort();
  const parsed = new Map<string, DebPackage>();
  return {
    names: new Set(entries.keys()),
    providers: (name) => provided.get(name) ?? [],
    get(name) {
      const entry = entries.get(name);
      if (entry && !parsed.has(name)) parsed.set(name, parsePackage(name, entry));
      return parsed.get(name);
    },
  };
}

function parsePackage(name: string, { text, version, suite }: Entry): DebPackage {
  const depends = [field(text, "Pre-Depends"), field(text, "Depends")].flatMap(parseDepends);
  return {
    name,
    version,
    suite,
    depends,
    section: field(text, "Section").replace(/^.*\//, ""),
    description: field(text, "Description"),
    homepage: field(text, "Homepage"),
    file: field(text, "Filename"),
    sha256: field(text, "SHA256"),
    // In KiB there (Debian policy, 5.6.20).
    installed: (Number(field(text, "Installed-Size")) || 0) * 1024,
  };
}
