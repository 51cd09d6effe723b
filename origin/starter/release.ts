/**
 * Which of the machine's package lists the starter set is made from: those of the distribution
 * itself, for the release that this machine runs.
 */
import { readFile } from "node:fs/promises";
import type { PackageList } from "./apt.ts";

const DISTRIBUTIONS = new Set(["Debian", "Ubuntu"]);
/** Components of free software that the distribution supports. */
const COMPONENTS = new Set(["main", "universe"]);
/** Suites with newer versions than the release's. */
const EXCLUDED_SUITES = /backports|proposed|experimental|fasttrack/;

/** The codename in /etc/os-release (`bookworm`); undefined where it has none. */
export async function runningRelease(file = "/etc/os-release"): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
}

/**
 * The lists that count, in the order in which they are indexed. Other repositories of the machine
 * (a vendor's, backports, another release) would make its lock differ from that of every other
 * machine. Where no list belongs to the running release (a derivative, sid), all lists of the
 * distribution count.
 */
export function chooseLists(
  lists: readonly PackageList[],
  release: string | undefined,
): PackageList[] {
  const own = lists.filter(
    ({ origin, component, suite, codename }) =>
      DISTRIBUTIONS.has(origin) &&
      COMPONENTS.has(component) &&
      !EXCLUDED_SUITES.test(suite) &&
      !EXCLUDED_SUITES.test(codename),
  );
  const running = own.filter(
    ({ codename }) =>
      release !== undefined && (codename === release || codename.startsWith(`${release}-`)),
  );
  const chosen = running.length > 0 ? running : own;
  // The first of equal versions counts, so the order must not depend on the mirror.
  return [...chosen].sort((a, b) =>
    `${a.suite} ${a.component}`.localeCompare(`${b.suite} ${b.component}`, "en"),
  );
}
