/**
 * apt with a state of its own: package lists for the architectures of the starter set, fetched with
 * the machine's configuration (sources, keys, proxies, credentials). The system's own lists are
 * neither read nor changed, root is not needed, and no foreign architecture is added to the system.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { writeWhole } from "../disk/write-whole.ts";
import { APT_HELPER } from "../local/needs.ts";
import type { Architecture } from "./lock.ts";

/** Age at which lists are fetched again, ms: they change a few times a day at most. */
const REFRESH_MS = 12 * 3_600_000;
/** apt would wait two minutes for a mirror that cannot be reached. */
const NETWORK_TIMEOUT_SECONDS = 30;
/** Longest time in which lists are fetched, ms: a slow mirror must not delay the start for ever. */
const UPDATE_MS = 10 * 60_000;
/** Largest list, unpacked: that of Debian's main component has 50 MB. */
const MAX_LIST_BYTES = 512 * 2 ** 20;
/** Lines of apt's errors that are shown. */
const MAX_ERRORS = 5;

export interface PackageList {
  readonly file: string;
  /** As in the machine's sources: `bookworm-security`. */
  readonly suite: string;
  readonly codename: string;
  readonly origin: string;
  readonly component: string;
  readonly architecture: string;
}

export interface Apt {
  /**
   * Fetches the lists when they are older than REFRESH_MS or the machine's sources have changed.
   * A failure is logged, and the lists from before stay.
   */
  refresh(): Promise<void>;
  /** Changes whenever a list does; reads none of them. */
  fingerprint(): Promise<string>;
  /** The lists of the machine's sources. */
  lists(): Promise<PackageList[]>;
  /** The text of a list (a Packages file), unpacked. */
  read(list: PackageList): Promise<string>;
}

const configuration = (dir: string, architectures: readonly Architecture[]): string => `
Dir::State "${dir}";
Dir::State::lists "${dir}/lists";
Dir::State::status "${dir}/status";
Dir::Cache "${dir}/cache";
#clear APT::Architectures;
APT::Architectures { ${architectures.map((name) => `"${name}"; `).join("")}};
APT::Sandbox::User "root"; // the state directory may be closed to _apt
APT::Update::Error-Mode "any";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "${NETWORK_TIMEOUT_SECONDS}";
Acquire::https::Timeout "${NETWORK_TIMEOUT_SECONDS}";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
Acquire::IndexTargets::deb-src::Sources::DefaultEnabled "false";
`;

/**
 * A shell script to be run with the lock. $1: the stamp's path; $2: its inode before the wait for
 * the lock; $3: the stamp's new text; $4: apt's configuration. It does nothing when another process
 * has fetched the same lists in the meantime.
 */
const UPDATE = `
[ "$(stat -c %i "$1" 2>/dev/null)" = "$2" ] || [ "$(cat "$1")" != "$3" ] || exit 0
apt-get -c "$4" -qq update && printf %s "$3" >"$1.new" && mv "$1.new" "$1"`;

const withoutCredentials = (text: string): string => text.replace(/:\/\/[^/@\s]*@/g, "://");
const env = { LC_ALL: "C" };

/** The SHA-256 of a text, in hex. */
export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/**
 * The private apt in a directory, which is made where it is missing. `log` takes lines for the
 * operator; `updateMs` is the longest that fetching the lists may take. Throws an Error when apt
 * cannot use the path.
 */
export async function openApt(
  dir: string,
  architectures: readonly Architecture[],
  log: (line: string) => void,
  updateMs = UPDATE_MS,
): Promise<Apt> {
  const state = await makeState(dir, architectures);
  return {
    refresh: () => refresh(state, log, updateMs),
    fingerprint: () => fingerprint(state),
    lists: () => lists(state),
    read: (list) => read(state, list),
  };
}

interface State {
  readonly dir: string;
  readonly architectures: readonly Architecture[];
  /** apt's configuration file. */
  readonly config: string;
  /** Says which sources the lists were fetched from; its time says when. */
  readonly stamp: string;
}

async function makeState(dir: string, architectures: readonly Architecture[]): Promise<State> {
  // The path stands in a string of apt's configuration, which a quote or line break would end.
  if (/["\n\\]/.test(dir))
    throw new Error(`the state directory's path cannot be used with apt: ${JSON.stringify(dir)}`);
  await mkdir(join(dir, "lists/partial"), { recursive: true });
  await mkdir(join(dir, "cache/archives/partial"), { recursive: true });
  await writeFile(join(dir, "status"), "");
  const config = join(dir, `apt-${architectures.join("-")}.conf`);
  await writeWhole(config, (path) => writeFile(path, configuration(dir, architectures)));
  return { dir, architectures, config, stamp: join(dir, "refreshed") };
}

async function refresh(state: State, log: (line: string) => void, updateMs: number): Promise<void> {
  const { dir, architectures, config, stamp } = state;
  const sources = await sourcesOf(state);
  const last = await readStamp(stamp);
  if (last.sources === sources && last.ageMs >= 0 && last.ageMs < REFRESH_MS) return;
  log(`fetching the archive's package lists for ${architectures.join(" and ")}`);
  // Two origins may start at the same time with one state: apt's own lock would fail the second.
  const result = await execa(
    "flock",
    [join(dir, "lock"), "sh", "-c", UPDATE, "sh", stamp, last.inode, sources, config],
    { env, reject: false, all: true, timeout: updateMs, killDescendants: true },
  );
  if (!result.failed) return;
  const errors = withoutCredentials(result.all ?? "")
    .split("\n")
    .filter((line) => /^[EW]:/.test(line))
    .slice(0, MAX_ERRORS);
  log(
    [
      "the package lists could not be fetched; the ones from before are used",
      ...(result.timedOut ? [`it took longer than ${updateMs / 1_000} s`] : errors),
    ].join("\n  "),
  );
}

interface Stamp {
  /** Empty where the lists were never fetched. */
  readonly sources: string;
  readonly ageMs: number;
  readonly inode: string;
}

async function readStamp(file: string): Promise<Stamp> {
  const sources = await readFile(file, "utf8").catch(() => "");
  const found = await stat(file).catch(() => undefined);
  return found === undefined
    ? { sources, ageMs: Infinity, inode: "" }
    : { sources, ageMs: Date.now() - found.mtimeMs, inode: String(found.ino) };
}

/**
 * Identifies the machine's sources: the URLs that apt would fetch. In a directory without Release
 * files apt lists them without reading anything.
 */
const sourcesOf = async (state: State): Promise<string> => {
  const options = ["--no-release-info", "-o", `Dir::State::lists=${state.dir}/none`];
  return sha256(await indexTargets(state, "$(URI)", options));
};

async function fingerprint({ dir }: State): Promise<string> {
  const names = (await readdir(join(dir, "lists")))
    .filter((name) => name.includes("_Packages"))
    .sort();
  const files = names.map(async (name) => {
    const { size, mtimeMs } = await stat(join(dir, "lists", name));
    return [name, size, mtimeMs];
  });
  return sha256(JSON.stringify(await Promise.all(files)));
}

const FIELDS = ["FILENAME", "RELEASE", "CODENAME", "COMPONENT", "ARCHITECTURE", "ORIGIN"];

async function lists(state: State): Promise<PackageList[]> {
  const lines = await indexTargets(state, FIELDS.map((field) => `$(${field})`).join("|"));
  return lines
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [file = "", suite = "", codename = "", component = "", architecture = "", origin = ""] =
        line.split("|");
      return { file, suite, codename, component, architecture, origin };
    });
}

/** One line for each package list of the machine's sources. */
async function indexTargets(
  { config }: State,
  format: string,
  options: readonly string[] = [],
): Promise<string> {
  const args = ["indextargets", "--format", format, ...options, "Created-By: Packages"];
  return (await execa("apt-get", ["-c", config, ...args], { env })).stdout;
}

async function read({ config }: State, { file }: PackageList): Promise<string> {
  // The lists may be compressed in any way that apt knows.
  const { stdout } = await execa(APT_HELPER, ["-c", config, "cat-file", file], {
    env,
    maxBuffer: MAX_LIST_BYTES,
    stripFinalNewline: false,
  });
  return stdout;
}
