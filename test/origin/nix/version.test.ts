import assert from "node:assert/strict";
import { test } from "node:test";
import { isVulnerable, nixVersion } from "../../../origin/nix/version.ts";
import { firnOrigin, needs } from "./support.ts";

const VULNERABLE = [
  "2.8.0",
  "2.18.1",
  "2.24.9",
  "2.28.5",
  "2.29.2",
  "2.30.3",
  "2.31.3",
  "2.32.6",
  "2.33.3",
  "2.34.4",
  "2.34",
  "2.34.5pre1",
  "2.35.0pre20260101_abc",
  "1.11",
  "lix-2.93.0",
  "unknown",
  "",
];
const FIXED = [
  "2.28.6",
  "2.29.3",
  "2.30.4",
  "2.31.4",
  "2.31.10",
  "2.32.7",
  "2.33.4",
  "2.34.5",
  "2.35.0",
  "2.36.1",
  "2.40",
  "3.0.0",
];

for (const version of VULNERABLE)
  test(`builds can leave the sandbox of Nix "${version}"`, () =>
    assert.equal(isVulnerable(version), true));
for (const version of FIXED)
  test(`builds cannot leave the sandbox of Nix "${version}"`, () =>
    assert.equal(isVulnerable(version), false));

test("the version of this machine's Nix is read", needs("nix-build"), async () => {
  assert.match(await nixVersion(), /^(lix-)?\d+\.\d+/);
});

const REFUSED = /lets builds leave the sandbox .*, and \S+ may be open to the public: update Nix/;
const WARNED = /lets builds leave the sandbox .*: let only people you trust pull/;
/** What an origin says that has gone on after the check: its package set does not exist. */
const WENT_ON = /nowhere does not exist/;

for (const { what, version, edges, allow, says, saysNot } of [
  { what: "refuses", version: "(Nix) 2.31.3", says: [REFUSED], saysNot: [WENT_ON] },
  { what: "refuses", version: "(Lix, like Nix) 2.93.0", says: [REFUSED], saysNot: [WENT_ON] },
  {
    what: "refuses (one edge of two is remote)",
    version: "(Nix) 2.31.3",
    edges: "ws://127.0.0.1:1,wss://firn.example",
    says: [REFUSED],
    saysNot: [WENT_ON],
  },
  {
    what: "starts with a warning for a local edge on",
    version: "(Nix) 2.31.3",
    edges: "ws://127.0.0.1:1,ws://localhost:1,ws://[::1]:1",
    says: [WARNED, WENT_ON],
    saysNot: [REFUSED],
  },
  {
    what: "starts with a warning, where the operator allows it, on",
    version: "(Nix) 2.31.3",
    allow: "1",
    says: [WARNED, WENT_ON],
    saysNot: [REFUSED],
  },
  {
    what: "starts without a warning on",
    version: "(Nix) 2.31.4",
    says: [WENT_ON],
    saysNot: [REFUSED, WARNED],
  },
] as readonly {
  readonly what: string;
  readonly version: string;
  readonly edges?: string;
  readonly allow?: string;
  readonly says: readonly RegExp[];
  readonly saysNot: readonly RegExp[];
}[]) {
  test(`firn origin ${what} ${version}`, { timeout: 60_000 }, async (t) => {
    const { exitCode, stderr } = await firnOrigin(
      t,
      { "nix-build": `echo 'nix-build ${version}'` },
      {
        FIRN_EDGES: edges ?? "wss://firn.example",
        PACKAGE_SET: "path:/nowhere",
        ...(allow === undefined ? {} : { ALLOW_VULNERABLE_NIX: allow }),
      },
    );
    assert.equal(exitCode, 1);
    for (const words of says) assert.match(stderr, words);
    for (const words of saysNot) assert.doesNotMatch(stderr, words);
  });
}
