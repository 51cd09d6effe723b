/**
 * A private state of apt: its own package lists, for the architectures we want, made from the
 * machine's own configuration (sources, keys, proxies, credentials). Nothing of the system is read
 * or changed, no root is needed, and no foreign architecture is added to it.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { writeWhole } from "../disk/write-whole.ts";
import { APT_HELPER } from "../local/needs.ts";
import type { Architecture } from "./lock.ts";

/** Lists change a few times a day at most; every start need not ask. */
const REFRESH_HOURS = 12;
/** An unreachable mirror must not delay the start by apt's own two minutes. */
const NETWORK_TIMEOUT_SECONDS = 30;
/** One that sends a byte now and then shall not hold it up for ever: longest refresh, ms. */
const UPDATE_MS = 10 * 60_000;
/** Uncompressed, main of a Debian release is 50 MB. */
const MAX_LIST_BYTES = 512 * 2 ** 20;

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
   * Fetches the lists when they are older than REFRESH_HOURS or the machine's sources have changed.
   * Never throws: says what went wrong, and what is there stays.
   */
  refresh(): Promise<void>;
  /** Changes whenever a list does; cheap. */
  fingerprint(): Promise<string>;
  lists(): Promise<PackageList[]>;
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
 * With the lock: the stamp's path, its inode before the lock was waited for, what it is to say, and
 * apt's configuration. Who waited while another one fetched the same lists reads those.
 */
const UPDATE = `
[ "$(stat -c %i "$1" 2>/dev/null)" = "$2" ] || [ "$(cat "$1")" != "$3" ] || exit 0
apt-get -c "$4" -qq update && printf %s "$3" >"$1.new" && mv "$1.new" "$1"`;

const withoutCredentials = (text: string): string => text.replace(/:\/\/[^/@\s]*@/g, "://");
const env = { LC_ALL: "C" };

/** Hex. */
export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export async function openApt(
  dir: string,
  architectures: readonly Architecture[],
  log: (line: string) => void,
  updateMs = UPDATE_MS,
): Promise<Apt> {
  // apt reads this file as one of its own: a quote or a line break in the path would end the
  // string.
  if (/["\n\\]/.test(dir))
    throw new Error(`the state directory's path cannot be used with apt: ${JSON.stringify(dir)}`);
  await mkdir(join(dir, "lists/partial"), { recursive: true });
  await mkdir(join(dir, "cache/archives/partial"), { recursive: true });
  await writeFile(join(dir, "status"), "");
  const config = join(dir, `apt-${architectures.join("-")}.conf`);
  await writeWhole(config, (path) => writeFile(path, configuration(dir, architectures)));
  const stamp = join(dir, "refreshed");

  const aptGet = async (...args: string[]): Promise<string> =>
    (await execa("apt-get", ["-c", config, ...args], { env })).stdout;
  const targets = (format: string, ...args: string[]): Promise<string> =>
    aptGet("indextargets", "--format", format, ...args, "Created-By: Packages");
  /**
   * What would be fetched: without Release files, of which there are none there, it comes at once.
   */
  const sources = async (): Promise<string> =>
    sha256(await targets("$(URI)", "--no-release-info", "-o", `Dir::State::lists=${dir}/none`));

  return {
    async refresh() {
      const current = await sources();
      const [previous, { age, inode }] = await Promise.all([
        readFile(stamp, "utf8").catch(() => ""),
        stat(stamp).then(
          ({ mtimeMs, ino }) => ({ age: Date.now() - mtimeMs, inode: String(ino) }),
          () => ({ age: Infinity, inode: "" }),
        ),
      ]);
      if (previous === current && age >= 0 && age < REFRESH_HOURS * 3_600_000) return;
      log(`fetching the archive's package lists for ${architectures.join(" and ")}`);
      // Two origins may start at the same time on one state: apt's own lock would make the second
      // fail.
      const result = await execa(
        "flock",
        [join(dir, "lock"), "sh", "-c", UPDATE, "sh", stamp, inode, current, config],
        { env, reject: false, all: true, timeout: updateMs, killDescendants: true },
      );
      if (!result.failed) return;
      const lines = withoutCredentials(result.all ?? "")
        .split("\n")
        .filter((line) => /^[EW]:/.test(line))
        .slice(0, 5);
      log(
        [
          "the package lists could not be refreshed; going on with those that are there",
          ...(result.timedOut ? [`it took longer than ${updateMs / 1_000} s`] : lines),
        ].join("\n  "),
      );
    },
    async fingerprint() {
      const names = (await readdir(join(dir, "lists")))
        .filter((name) => name.includes("_Packages"))
        .sort();
      const stats = await Promise.all(names.map((name) => stat(join(dir, "lists", name))));
      return sha256(
        JSON.stringify(names.map((name, i) => [name, stats[i]?.size, stats[i]?.mtimeMs])),
      );
    },
    async lists() {
      const fields = "FILENAME RELEASE CODENAME COMPONENT ARCHITECTURE ORIGIN".split(" ");
      const lines = await targets(fields.map((field) => `$(${field})`).join("|"));
      return lines
        .split("\n")
        .filter(Boolean)
        .map((line) => {
          const [
            file = "",
            suite = "",
            codename = "",
            component = "",
            architecture = "",
            origin = "",
          ] = line.split("|");
          return { file, suite, codename, component, architecture, origin };
        });
    },
    async read({ file }) {
      // The lists may be compressed in any way that apt knows.
      const { stdout } = await execa(APT_HELPER, ["-c", config, "cat-file", file], {
        env,
        maxBuffer: MAX_LIST_BYTES,
        stripFinalNewline: false,
      });
      return stdout;
    },
  };
}
