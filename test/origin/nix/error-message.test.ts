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

test("trouble of the machine is distinguished from an error of a package", () => {
  assert.equal(
    machineTrouble("error: writing to file: No space left on device"),
    "the disk is full",
  );
  assert.equal(
    machineTrouble(
      "error: executing SQLite statement: database disk image is malformed (in '/nix/var/nix/db/db.sqlite')",
    ),
    "Nix's database is damaged",
  );
  assert.equal(machineTrouble("error: attribute 'x' missing"), null);
});
