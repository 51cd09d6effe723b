/**
 * What Nix would do for some derivations, from its dry run (libmain, printMissing):
 *
 *   these 2 derivations will be built:
 *     /nix/store/…-a.drv
 *   these 35 paths will be fetched (35.38 MiB download, 172.47 MiB unpacked):
 *     /nix/store/…-b
 */
export class DryRun {
  /** Derivations that it would build and paths that it would download. */
  readonly paths: string[] = [];
  /** Bytes of what it would download, unpacked. */
  unpacked = 0;

  /** Takes the lines of its output one by one. */
  add(line: string): void {
    const path = /^ {2}(\/nix\/store\/\S+)$/.exec(line)?.[1];
    if (path !== undefined) this.paths.push(path);
    const [, size, unit = ""] = FETCHED.exec(line) ?? [];
    if (size !== undefined) this.unpacked += Number(size) * (UNITS[unit] ?? Infinity);
  }
}

const FETCHED = /^th(?:is|ese) .*will be fetched \(.*?([\d.]+) (\w+) unpacked\)/;
const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  bytes: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};
