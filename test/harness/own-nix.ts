/**
 * Programs with another /nix: they run in a mount namespace where something else lies over it, so
 * their Nix has its own store and its own database. The mount ends with the program.
 */
import { execa } from "execa";
import { unavailable } from "./available.ts";

const UNSHARE = { command: "unshare", debian: "util-linux", purpose: "another /nix" };

/** For `skip`: false where this can be done. Throws under CI=true where it cannot. */
export const ownNixUnavailable = async (): Promise<false | string> =>
  (await unavailable([UNSHARE], { root: true })) || (await noUnshare());

/** Root in a container may lack the right to mount. */
async function noUnshare(): Promise<false | string> {
  const { failed, stderr } = await execa("unshare", ["--mount", "true"], { reject: false });
  if (failed && process.env["CI"] === "true")
    throw new Error(`CI=true, and yet there is no unshare --mount: ${stderr}`);
  return failed && `needs a mount namespace of its own: ${stderr}`;
}

/** What to put before a command: a directory is its /nix. */
export const withDirectoryAsNix = (directory: string): string[] =>
  before('mount --bind "$1" /nix; shift; exec "$@"', directory);

/** A new file system of so many bytes, empty, in memory, is its /nix. */
export const withSmallNix = (bytes: number): string[] =>
  before('mount -t tmpfs -o size="$1" tmpfs /nix; shift; exec "$@"', String(bytes));

const before = (script: string, argument: string): string[] =>
  ["unshare", "--mount", "sh", "-ec", script, "sh"].concat(argument);
