/** What the machine must have before a starter set can be made on it. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";

/**
 * Program → the Debian package that brings it. patchelf and whatever else builds a unit comes from
 * the archive (nix/starter/tools.sh).
 */
const PROGRAMS: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "dpkg-deb": "dpkg",
  flock: "util-linux",
  sed: "sed",
  sh: "dash",
  tar: "tar",
};
/** No program on the PATH, but part of apt since 1.1. */
export const APT_HELPER = "/usr/lib/apt/apt-helper";

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

async function onPath(program: string): Promise<boolean> {
  const places = (process.env["PATH"] ?? "").split(":").filter(Boolean);
  const found = await Promise.all(
    [...places, "/usr/bin", "/bin"].map((place) => isExecutable(join(place, program))),
  );
  return found.includes(true);
}

/**
 * @throws naming what is missing and what to install, or, where there is no apt, what else can be
 * served.
 */
export async function checkNeeds(): Promise<void> {
  if (!(await onPath("apt-get")) || !(await isExecutable(APT_HELPER))) {
    throw new Error(
      "the starter package set is made from Debian's archive by apt, and this machine has none: it needs Debian or Ubuntu. " +
        "Elsewhere set PACKAGE_SET to channel:<name or commit>, git:<url> or path:<dir>.",
    );
  }
  const missing: string[] = [];
  for (const program of Object.keys(PROGRAMS)) if (!(await onPath(program))) missing.push(program);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => PROGRAMS[program]))].join(" ");
  throw new Error(
    `the starter package set needs ${missing.join(", ")}: apt-get install ${packages}`,
  );
}
