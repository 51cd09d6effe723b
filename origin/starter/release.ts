/**
 * Which of the machine's package lists the starter set is made from: the distribution's own, of the
 * release that runs here.
 */
import { readFile } from "node:fs/promises";
import type { PackageList } from "./apt.ts";

const DISTRIBUTIONS = new Set(["Debian", "Ubuntu"]);
/** Free software that the distribution itself maintains. */
const COMPONENTS = new Set(["main", "universe"]);
/** Suites that mix other versions in. */
const EXCLUDED_SUITES = /backports|proposed|experimental|fasttrack/;

/** `bookworm`, from /etc/os-release; undefined where it says nothing. */
export async function runningRelease(file = "/etc/os-release"): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  return /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
}

/**
 * Other repositories on the machine (a vendor's, backports, another release pinned low) would make
 * its lock differ from every other machine's. Where no list is of the running release (a
 * derivative, sid), all of the distribution's count.
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
  // In an order that says nothing of the mirror; the higher version counts in any order, equal ones
  // come first come first served.
  return [...chosen].sort((a, b) =>
    `${a.suite} ${a.component}`.localeCompare(`${b.suite} ${b.component}`, "en"),
  );
}
