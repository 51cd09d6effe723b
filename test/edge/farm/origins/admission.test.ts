/** What an origin may do: what it says of itself, within what ORIGINS says. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CLOSE, PROTOCOL_VERSION } from "../../../../edge/contract/messages.ts";
import { type AdmissionRules, admit, type Hello } from "../../../../edge/farm/origins/admission.ts";
import type { ConfiguredOrigin } from "../../../../edge/farm/origins/configured-origins.ts";

const REVISION = "a".repeat(40);
const hello: Hello = {
  type: "hello",
  protocol: PROTOCOL_VERSION,
  version: "1",
  nix: "2.34.5",
  sandbox: true,
  nixVulnerable: false,
  systems: ["x86_64-linux", "aarch64-linux"],
  slots: 8,
  packageSet: { id: "channel", label: "channel:nixos-unstable" },
  revisions: [
    { tag: "latest", revision: REVISION },
    { tag: "nixos-25.11", revision: REVISION },
  ],
  running: [],
  ownBucket: true,
};
const rack: ConfiguredOrigin = { name: "rack-1", key: "k", owner: "rack-1" };
const rules: AdmissionRules = {
  packageSet: hello.packageSet,
  sandboxedOnly: true,
  signsUploads: false,
};

describe("admission", () => {
  test("what ORIGINS leaves out is as the origin says", () => {
    assert.deepEqual(admit(hello, rack, rules), { hello });
  });

  test("systems, slots and tags are cut down to what ORIGINS allows", () => {
    const limits = { systems: ["x86_64-linux"], slots: 4, tags: ["latest"] } as const;
    assert.deepEqual(admit(hello, { ...rack, ...limits }, rules), {
      hello: {
        ...hello,
        systems: ["x86_64-linux"],
        slots: 4,
        revisions: [{ tag: "latest", revision: REVISION }],
      },
    });
  });

  test("an edge that signs uploads takes an origin without credentials", () => {
    const without = { ...hello, ownBucket: false };
    assert.deepEqual(admit(without, rack, { ...rules, signsUploads: true }), { hello: without });
  });

  test("a smaller claim stays as it is", () => {
    const small = { ...hello, slots: 2 };
    assert.deepEqual(admit(small, { ...rack, slots: 4 }, rules), { hello: small });
  });

  const refused: readonly [string, Partial<Hello>, Partial<ConfiguredOrigin>, RegExp][] = [
    ["another protocol", { protocol: 1 }, {}, /^the edge speaks protocol \d+, this origin 1$/],
    [
      "another package set",
      { packageSet: { id: "starter", label: "starter" } },
      {},
      /^the edge serves package set channel:nixos-unstable, this origin starter$/,
    ],
    [
      "another channel of the same set",
      { packageSet: { ...hello.packageSet, label: "channel:nixos-25.11" } },
      {},
      /^the edge serves package set channel:nixos-unstable, this origin channel:nixos-25\.11$/,
    ],
    [
      "a set that it may not serve",
      {},
      { packageSets: ["starter"] },
      /ORIGINS does not let rack-1 serve package set channel:nixos-unstable$/,
    ],
    [
      "no system that it may build for",
      { systems: ["x86_64-linux"] },
      { systems: ["aarch64-linux"] },
      /ORIGINS lets rack-1 build for aarch64-linux, it builds for x86_64-linux$/,
    ],
    [
      "an origin that can store nothing",
      { ownBucket: false },
      {},
      /^this edge cannot sign uploads: set S3_ENDPOINT .* there, or at this origin$/,
    ],
  ];
  for (const [what, says, configured, reason] of refused)
    test(`${what} is refused`, () => {
      const admission = admit({ ...hello, ...says }, { ...rack, ...configured }, rules);
      assert.ok("refused" in admission);
      assert.equal(admission.code, CLOSE.mismatch);
      assert.match(admission.refused, reason);
    });

  const unsafe: readonly [string, Partial<Hello>, RegExp][] = [
    ["no sandbox", { sandbox: false }, /no origin that builds without a sandbox/],
    ["a leaking sandbox", { nixVulnerable: true, nix: "2.8.0" }, /whose sandbox leaks, as 2\.8\.0/],
  ];
  for (const [what, says, reason] of unsafe)
    test(`${what} is refused by an edge for other machines, and by no other`, () => {
      const said = { ...hello, ...says };
      const admission = admit(said, rack, rules);
      assert.ok("refused" in admission);
      assert.equal(admission.code, CLOSE.mismatch);
      assert.match(admission.refused, reason);
      // The frame that tells the origin has room for so much.
      assert.ok(admission.refused.length <= 120, admission.refused);
      assert.deepEqual(admit(said, rack, { ...rules, sandboxedOnly: false }), { hello: said });
    });
});
