import assert from "node:assert/strict";
import { test } from "node:test";
import { FailedDerivations } from "../../../../origin/nix/build/failed-derivations.ts";

const A = `/nix/store/${"a".repeat(32)}-left-1.0.drv`;
const B = `/nix/store/${"b".repeat(32)}-top-2.0.drv`;

const lines = (...all: string[]): string => all.join("\n");

function read(text: string): FailedDerivations {
  const output = new FailedDerivations();
  for (const line of text.split("\n")) output.add(line);
  return output;
}

const CASES: readonly {
  readonly form: string;
  readonly text: string;
  readonly gives: readonly { how: string; timedOut: boolean; trouble: boolean }[];
}[] = [
  {
    form: "2.8, a failed builder and a failed dependency",
    text: lines(
      `building '${A}'...`,
      "oops",
      `error: builder for '${A}' failed with exit code 3`,
      `error: 1 dependencies of derivation '${B}' failed to build`,
      `error: build of '${B}' failed`,
    ),
    gives: [{ how: "failed with exit code 3", timedOut: false, trouble: false }],
  },
  {
    form: "2.18, with the last lines",
    text: lines(
      `error: builder for '${A}' failed with exit code 1;`,
      "       last 1 log lines:",
      "       > oops",
      `       For full logs, run 'nix-store -l ${A}'.`,
      `error: 1 dependencies of derivation '${B}' failed to build`,
    ),
    gives: [{ how: "failed with exit code 1", timedOut: false, trouble: false }],
  },
  {
    form: "2.31",
    text: lines(
      `error: Cannot build '${A}'.`,
      "       Reason: builder failed with exit code 1.",
      "       Output paths:",
      "         /nix/store/x",
      "       Last 1 log lines:",
      "       > oops",
      `error: Cannot build '${B}'.`,
      "       Reason: 1 dependency failed.",
      "       Output paths:",
      "         /nix/store/y",
    ),
    gives: [{ how: "failed with exit code 1", timedOut: false, trouble: false }],
  },
  {
    form: "2.31 without a builder for the system",
    text: lines(
      `error: Cannot build '${A}'.`,
      "       Reason: required system or feature not available",
      "       Required system: 'aarch64-linux' with features {}",
      "       Current system: 'x86_64-linux' with features {kvm}",
    ),
    gives: [{ how: "required system or feature not available", timedOut: false, trouble: true }],
  },
  {
    form: "2.33 without a builder for the system",
    text: lines(
      `error: Cannot build '${A}'.`,
      "       Reason: platform mismatch",
      "       Required system: 'aarch64-linux'",
    ),
    gives: [{ how: "platform mismatch", timedOut: false, trouble: true }],
  },
  {
    form: "a remote builder",
    text: lines(
      `error: build of '${A}' on 'ssh://agent-2' failed: builder for '${A}' failed to produce ` +
        "output path for output 'out' at '/nix/store/x'",
      `error: Cannot build '${A}'.`,
      "       Reason: builder failed with exit code 1.",
    ),
    gives: [
      {
        how: "failed to produce output path for output 'out' at '/nix/store/x'",
        timedOut: false,
        trouble: false,
      },
    ],
  },
  {
    form: "2.8 without a builder for the system",
    text:
      `error: a 'aarch64-linux' with features {} is required to build '${A}', but I am a ` +
      "'x86_64-linux' with features {kvm}",
    gives: [
      {
        how: "needs a machine of aarch64-linux, this one is x86_64-linux",
        timedOut: false,
        trouble: true,
      },
    ],
  },
  {
    form: "a builder that the kernel killed",
    text: `error: builder for '${A}' failed due to signal 9 (Killed)`,
    gives: [{ how: "failed due to signal 9 (Killed)", timedOut: false, trouble: true }],
  },
  {
    form: "Nix's own limit in 2.8",
    text: `error: building of '${A}!out' from .drv file timed out after 5 seconds`,
    gives: [{ how: "timed out after 5 seconds", timedOut: true, trouble: false }],
  },
  {
    form: "Nix's own limit",
    text: `error: building of '${A}' timed out after 5 seconds`,
    gives: [{ how: "timed out after 5 seconds", timedOut: true, trouble: false }],
  },
  {
    form: "a wrong hash",
    text: lines(
      `error: hash mismatch in fixed-output derivation '${A}':`,
      "         specified: sha256-A",
      "            got:    sha256-B",
    ),
    gives: [{ how: "has another hash than it should", timedOut: false, trouble: false }],
  },
  {
    form: "a missing output",
    text: lines(
      `error: builder for '${A}' failed to produce output path for output 'out' at '/nix/store/x'`,
    ),
    gives: [
      {
        how: "failed to produce output path for output 'out' at '/nix/store/x'",
        timedOut: false,
        trouble: false,
      },
    ],
  },
];

for (const { form, text, gives } of CASES) {
  test(`failed derivations in nix-build's output: ${form}`, () => {
    const { failed } = read(text);
    assert.deepEqual(
      failed.map(({ drvPath }) => drvPath),
      gives.map(() => A),
    );
    assert.deepEqual(
      failed.map(({ how, timedOut, trouble }) => ({ how, timedOut, trouble })),
      gives,
    );
  });
}

test("trouble of the machine without a derivation", () => {
  assert.equal(
    read("error: executing SQLite statement: database or disk is full").trouble,
    "the disk is full",
  );
  assert.equal(read("warning: x").trouble, null);
});
