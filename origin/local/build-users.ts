/**
 * The users as which Nix builds when root calls it; without them builds run as root. Nix's
 * installer creates them, Debian's package does not.
 */
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { BUILD_USERS_COMMAND } from "../nix/safety.ts";
import { which } from "./needs.ts";

/** Nix's own default for build-users-group. */
export const BUILD_GROUP = "nixbld";

/** Whether the group of build users exists and has members. `groups`: the text of /etc/group. */
export const hasBuildUsers = (groups: string): boolean =>
  new RegExp(`^${BUILD_GROUP}:[^:]*:\\d+:[^:\\s]+$`, "m").test(groups);

/** Whether this machine has build users. */
export const buildUsersExist = async (): Promise<boolean> =>
  hasBuildUsers(await readFile("/etc/group", "utf8").catch(() => ""));

/**
 * Creates build users if there are none and root can; `say` reports it. If they cannot be created,
 * `say` warns that builds run as root.
 */
export async function makeBuildUsers(say: (line: string) => void): Promise<void> {
  if (await buildUsersExist()) return;
  if ((await which("groupadd")) !== undefined && (await which("useradd")) !== undefined) {
    say(`creating users for builds (group ${BUILD_GROUP}), so that no build runs as root`);
    // `|| true`: an earlier attempt may have made the group.
    const script = BUILD_USERS_COMMAND.replace(" && ", " || true; ");
    const { failed, stderr } = await execa("/bin/sh", ["-c", script], {
      stdin: "ignore",
      reject: false,
    });
    if (await buildUsersExist()) return;
    if (failed) say(`they cannot be made: ${stderr.split("\n").at(-1) ?? ""}`);
  }
  say("warning: there are no build users, so builds run as root");
}
