import assert from "node:assert/strict";
import { test } from "node:test";
import { lockText, makeLock } from "../../../origin/starter/lock.ts";
import { indexPackages, parseDepends } from "../../../origin/starter/packages-file.ts";
import { chooseLists } from "../../../origin/starter/release.ts";
import type { Recipe } from "../../../origin/starter/resolve.ts";
import { withoutCycles } from "../../../origin/starter/units.ts";

const paragraph = (name: string, version: string, more = ""): string =>
  `Package: ${name}
Version: ${version}
Section: ${name.startsWith("lib") ? "libs" : "utils"}
${more}Description: the ${name}
Installed-Size: 2000
Filename: pool/${name}_${version}.deb
SHA256: ${name}-${version}
`;

const lists = [
  {
    suite: "stable",
    text: [
      paragraph("bash", "5.2-1", "Pre-Depends: libc6 (>= 2.1)\n"),
      paragraph("libc6", "2.36-1"),
      paragraph("tool-5", "1.0-1", "Depends: libtwo-2-1, mailer | debconf, data-or | data\n"),
      paragraph("tool-15", "1.0-1", "Depends: libtwo-2-1, virtual, debconf | data\n"),
      paragraph("libtwo-2-1", "2.1-1", "Depends: libc6, libthree\n"),
      paragraph("libthree", "3.0-1", "Depends: libtwo-2-1\n"),
      paragraph("provider-b", "1-1", "Provides: virtual (= 1)\n"),
      paragraph("provider-a", "1-1", "Provides: other, virtual\n"),
      paragraph("data", "1-1"),
    ].join("\n"),
  },
  { suite: "stable-security", text: paragraph("libc6", "2.36-1+deb12u1") },
];

const recipe: Recipe = {
  attributes: { tool: { deb: "^tool-\\d+$" }, gone: { deb: "nowhere" } },
  units: { tool: { merge: ["tool-\\d+"] } },
  skip: ["debconf"],
  prefer: {},
  nodeps: [],
  tools: ["bash"],
};

test("a lock holds the newest packages, resolved, without circles", () => {
  const { lock, missing } = makeLock("amd64", indexPackages(lists), recipe);
  assert.deepEqual(missing, ["gone"]);
  assert.deepEqual(lock.attributes, { tool: "tool" });
  assert.deepEqual(lock.debs["libc6"], {
    file: "pool/libc6_2.36-1+deb12u1.deb",
    sha256: "libc6-2.36-1+deb12u1",
    suite: "stable-security",
    installed: 2_048_000,
  });
  assert.deepEqual(lock.units["tool"]?.debs, ["tool-15"]);
  assert.deepEqual(
    lock.units["tool"]?.deps,
    ["libtwo-2-1", "provider-a"],
    "the first provider; nothing for a clause that names a skipped package",
  );
  assert.deepEqual(
    lock.units["tool"]?.keep,
    ["provider-a"],
    "shared libraries are referenced by the files that load them",
  );
  assert.equal(lock.units["libtwo-2-1"]?.pname, "libtwo_2_1");
  assert.deepEqual(lock.units["libthree"]?.deps, ["libtwo-2-1"]);
  assert.deepEqual(lock.units["libtwo-2-1"]?.deps, ["libc6"]);
  assert.equal(lock.units["libc6"]?.beforeBash, true);
  assert.deepEqual(lock.tools, ["bash", "libc6"]);
});

test("what is skipped or dropped may be a pattern", () => {
  const without: Recipe = {
    ...recipe,
    skip: ["debconf", "^provider-.$"],
    units: { tool: { merge: ["tool-\\d+"], drop: ["^libtwo-\\d"] } },
  };
  assert.deepEqual(makeLock("amd64", indexPackages(lists), without).lock.units["tool"]?.deps, []);
});

test("the order of lists and packages does not show in a lock", () => {
  const shuffled = [...lists].reverse().map(({ suite, text }) => ({
    suite,
    text: text
      .split("\n\n")
      .map((part) => part.trimEnd())
      .reverse()
      .join("\n\n"),
  }));
  assert.equal(
    lockText(makeLock("amd64", indexPackages(shuffled), recipe).lock),
    lockText(makeLock("amd64", indexPackages(lists), recipe).lock),
  );
});

test("alternatives and qualifiers of a dependency", () => {
  assert.deepEqual(parseDepends("a (>= 1:2.0), b:any | c [amd64], d"), [["a"], ["b", "c"], ["d"]]);
  assert.deepEqual(parseDepends(""), []);
});

test("an edge that closes a circle is left out, always the same one", () => {
  const edges = new Map([
    ["a", new Set(["b"])],
    ["b", new Set(["c"])],
    ["c", new Set(["a", "d"])],
    ["d", new Set<string>()],
  ]);
  assert.deepEqual(
    withoutCycles(edges),
    new Map([
      ["d", new Set()],
      ["c", new Set(["d"])],
      ["b", new Set(["c"])],
      ["a", new Set(["b"])],
    ]),
  );
});

const list = (suite: string, origin = "Debian", component = "main") => ({
  file: "",
  suite,
  codename: suite,
  origin,
  component,
  architecture: "amd64",
});

test("only the running release of the distribution itself counts", () => {
  const all = [
    list("bookworm-security"),
    list("bookworm"),
    list("bookworm-backports"),
    list("sid"),
    list("bookworm", "Vendor"),
    list("bookworm", "Debian", "non-free"),
  ];
  assert.deepEqual(
    chooseLists(all, "bookworm").map(({ suite }) => suite),
    ["bookworm", "bookworm-security"],
  );
  assert.deepEqual(
    chooseLists([list("sid")], "forky").map(({ suite }) => suite),
    ["sid"],
  );
});
