import assert from "node:assert/strict";
import { test } from "node:test";
import { errorLine, machineTrouble } from "../../../origin/nix/error-message.ts";

const HASH = "w9dy3zxdz7nyv0h8lfqfnmkhghzgcgk2";
/** Parts of what nixpkgs says. */
const REFUSED = ", refusing to evaluate.";
const UNFREE = "an unfree license (‘unfreeRedistributable’)";

const CASES: readonly (readonly [string, string, string])[] = [
  [
    "2.8, a throw",
    `error: nope

       at /nix/store/${HASH}-source/default.nix:3:9:

            2| {
            3|   bad = throw "nope";
             |         ^
(use '--show-trace' to show detailed location information)`,
    "nope",
  ],
  [
    "2.8, broken in nixpkgs",
    `error: Package ‘gti-1.0’ in /nix/store/${HASH}-source/pkgs/gti/default.nix:12 is marked as broken${REFUSED}

       a) To temporarily allow broken packages, you can use an environment variable
          for a single invocation of the nix tools.

            $ export NIXPKGS_ALLOW_BROKEN=1`,
    "Package ‘gti-1.0’ in pkgs/gti/default.nix:12 is marked as broken, refusing to evaluate.",
  ],
  [
    "2.31, unfree in nixpkgs",
    `error:
       … in the condition of the assert statement
         at /nix/store/${HASH}-source/lib/customisation.nix:419:9:
          418|       drvPath =
          419|         assert condition;
             |         ^
          420|         drv.drvPath;

       … while evaluating the attribute 'handled'
         at /nix/store/${HASH}-source/pkgs/stdenv/generic/check-meta.nix:577:7:

       (stack trace truncated; use '--show-trace' to show the full, detailed trace)

       error: Package ‘unrar-7.0’ in /nix/store/${HASH}-source/pkgs/unrar/package.nix:40 has ${UNFREE}${REFUSED}

       a) To temporarily allow unfree packages, you can use an environment variable`,
    `Package ‘unrar-7.0’ in pkgs/unrar/package.nix:40 has ${UNFREE}${REFUSED}`,
  ],
  [
    "insecure, with what is known",
    `error: Package ‘openssl-1.0.2u’ in /nix/store/${HASH}-source/x.nix:1 is marked as insecure${REFUSED}


       Known issues:
        - CVE-2021-3711
        - It is old

       You can install it anyway by allowing this package, using the`,
    `Package ‘openssl-1.0.2u’ in x.nix:1 is marked as insecure${REFUSED} ` +
      "Known issues: CVE-2021-3711; It is old",
  ],
  ["a message of two lines", "trace: x\nerror: first\n       second\n\nmore", "first second"],
  [
    "an assertion",
    `error: assertion '(1 == 2)' failed\n       at /x.nix:1:1:`,
    "assertion '(1 == 2)' failed",
  ],
];

for (const [form, stderr, reason] of CASES) {
  test(`Nix's reason in one line: ${form}`, () =>
    assert.equal(errorLine(stderr.split("\n")), reason));
}

test("output without an error has no reason", () =>
  assert.equal(errorLine(["warning: x", "error:"]), null));

for (const [line, trouble] of [
  ["error: writing to file: No space left on device", "the disk is full"],
  ["error: SQLite database: database or disk is full", "the disk is full"],
  ["error: std::bad_alloc", "there is not enough memory"],
  [
    "error: executing SQLite statement: database disk image is malformed " +
      "(in '/nix/var/nix/db/db.sqlite')",
    "Nix's database is damaged",
  ],
  [
    "warning: SQLite database '/nix/var/nix/db/db.sqlite' is busy",
    "Nix's database is locked by another process",
  ],
  [
    "error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused",
    "the Nix daemon does not answer",
  ],
  ["error: creating directory: Read-only file system", "the Nix store is read-only"],
  [
    "error: the group 'nixbld' specified in 'build-users-group' does not exist",
    "Nix has no build users",
  ],
  ["error: the build users group 'nixbld' has no members", "Nix has no build users"],
  [
    "error: a 'aarch64-linux' with features {} is required to build '/nix/store/x.drv', but I am " +
      "a 'x86_64-linux' with features {kvm}",
    "this machine cannot build for the system",
  ],
  ["error: attribute 'x' missing", null],
  ["error: the database of locked doors is missing", null],
] as const)
  test(`trouble of the machine, or of a package: ${line.slice(0, 60)}`, () =>
    assert.equal(machineTrouble(line), trouble));
