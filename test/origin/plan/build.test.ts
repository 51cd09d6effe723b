import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildPlan, cutGroups, type GraphNode, planId } from "../../../origin/plan/index.ts";

const MB = 1_000_000;
const node = (id: string, size: number, references: string[], ...roots: string[]): GraphNode => ({
  id,
  name: `${id}-1.0`,
  size: size * MB,
  references,
  roots,
});
/** The example of build.ts. */
const EXAMPLE = [
  node("git", 30, ["gitlib", "openssl"], "git"),
  node("gitlib", 6, []),
  node("openssl", 8, ["glibc"]),
  node("glibc", 40, ["idn"]),
  node("idn", 2, []),
  node("curl", 1, ["openssl"], "curl"),
];
const DEMAND = new Map([
  ["git", 0.7],
  ["curl", 0.5],
]);

/** Names in each class, without versions. */
function classes(plan: ReturnType<typeof buildPlan>): string[] {
  return plan.gains.map((_, number) =>
    Object.keys(plan.names)
      .filter((name) => plan.names[name]![0] === number)
      .map((name) => name.replace(/-1\.0$/, ""))
      .join(" "),
  );
}

interface SimplePath {
  readonly path: string;
  readonly narSize: number;
}
const closure = (...names: string[]): SimplePath[] =>
  names.map((name) => ({ path: `/nix/store/${name.padEnd(32, "0")}-${name}-1.0`, narSize: 1 }));
/** Names in each part of a level, without versions. */
const parts = (cut: ReturnType<typeof cutGroups<SimplePath>>, level: number): string[] =>
  cut.levels[level]!.map((part) =>
    cut.parts[part]!.paths.map(({ path }) => path.slice(44, -4))
      .sort()
      .join(" "),
  );

describe("buildPlan", () => {
  const plan = buildPlan(EXAMPLE, { demand: DEMAND });

  it("makes the classes of the worked example, and gives a place to those that gain by a layer", () => {
    assert.deepEqual(classes(plan), ["glibc idn openssl", "git gitlib"]);
    const [shared, git] = plan.gains;
    // 50 MB that two rests would hold, less the layer, and for storing them once.
    assert.ok(Math.abs(shared! - (50 - 4 + 0.3 * 50) * MB) < 0.5 * MB, `${shared}`);
    assert.ok(Math.abs(git! - (0.3 * 36 - 4) * MB) < 0.1 * MB, `${git}`);
    assert.deepEqual(plan.names["openssl-1.0"], [0, 1.2]);
    assert.deepEqual(plan.names["gitlib-1.0"], [1, 0.7]);
  });

  it("is the same plan whatever the order of nodes, references and demand", async () => {
    const shuffled = EXAMPLE.toReversed().map((each) => ({
      ...each,
      references: each.references.toReversed(),
    }));
    assert.equal(
      await planId(buildPlan(shuffled, { demand: new Map([...DEMAND].toReversed()) })),
      await planId(plan),
    );
  });

  it("takes what nobody counted to be wanted alike, but for the usual", () => {
    const { names } = buildPlan(EXAMPLE, { usual: new Map([["curl", 0.25]]) });
    assert.deepEqual([names["glibc-1.0"]![1], names["git-1.0"]![1]], [1, 0.75]);
    const three = [...EXAMPLE, node("jq", 1, ["glibc"], "jq")];
    // 1.5 of three packages are in a mean pull.
    assert.equal(buildPlan(three).names["git-1.0"]![1], 0.5);
  });

  it("takes a package of several attributes to be as wanted as the most wanted of them", () => {
    const [git, ...others] = EXAMPLE;
    const both = { ...git!, roots: ["git", "gitminimal"] };
    const { names } = buildPlan([both, ...others], {
      demand: new Map([...DEMAND, ["gitminimal", 0.1]]),
    });
    assert.deepEqual(names, plan.names);
  });

  it("takes the largest small parts of which an image of three packages has 4.5 MB", () => {
    const alone = Array.from({ length: 10 }, (_, place) => node(`p${place}`, 1.9, [], `p${place}`));
    assert.equal(buildPlan(alone).smallPart, 1_700_000);
    assert.equal(buildPlan(alone.slice(0, 2)).smallPart, 2_000_000);
  });

  it("says nothing of what the base packages reach: every image has that as one layer", () => {
    const { names } = buildPlan([...EXAMPLE, node("cacert", 1, ["openssl"], "cacert")], {
      demand: DEMAND,
      base: ["cacert"],
    });
    assert.deepEqual(Object.keys(names), ["git-1.0", "gitlib-1.0"]);
  });

  it("condenses cycles: Debian's packages have them", () => {
    const cyclic = buildPlan([
      node("app", 5, ["a"], "app"),
      node("a", 5, ["b"]),
      node("b", 5, ["a"]),
      node("other", 5, ["b"], "other"),
    ]);
    assert.ok(classes(cyclic).some((names) => names.includes("a b")));
  });

  it("leaves out what no package needs, and what gains nothing by a layer", () => {
    const small = buildPlan(
      [...EXAMPLE, node("orphan", 50, ["glibc"]), node("tiny", 0.001, [], "tiny")],
      { demand: DEMAND },
    );
    assert.deepEqual(Object.keys(small.names), Object.keys(plan.names));
  });

  it("makes a name that several classes bear a class of its own", () => {
    const sources = [
      { ...node("s1", 5, []), name: "source" },
      { ...node("s2", 9, []), name: "source" },
    ];
    const plan = buildPlan(
      [node("app", 40, ["s1"], "app"), node("tool", 40, ["s2"], "tool"), ...sources],
      {
        demand: new Map([
          ["app", 0.01],
          ["tool", 0.4],
        ]),
      },
    );
    assert.deepEqual(classes(plan).toSorted(), ["app", "source", "tool"]);
    assert.equal(plan.names["source"]![1], 0.4);
  });

  it("joins what is nearly always together, and keeps apart what is not", () => {
    const users = (name: string, count: number, references: string[]) =>
      Array.from({ length: count }, (_, number) =>
        node(`${name}${number}`, 1, references, `${name}${number}`),
      );
    const graph = [
      ...users("desktop", 50, ["gtk", "pango"]),
      ...users("plain", 50, ["glibc"]),
      ...users("printer", 1, ["pango"]),
      node("gtk", 0.5, ["glibc"]),
      node("pango", 0.2, ["glibc"]),
      node("glibc", 30, []),
    ];
    const plan = buildPlan(
      graph.map((each) => (each.id === "gtk" ? { ...each, references: ["pango", "glibc"] } : each)),
    );
    assert.equal(plan.names["gtk-1.0"]![0], plan.names["pango-1.0"]![0]);
    assert.notEqual(plan.names["gtk-1.0"]![0], plan.names["glibc-1.0"]![0]);
  });

  it("cuts as its worked example says", () => {
    const git = cutGroups(plan, closure("git", "gitlib", "openssl", "glibc", "idn"));
    assert.deepEqual(parts(git, 0), ["glibc idn openssl", "git gitlib"]);
    assert.deepEqual(
      parts(git, 1),
      ["glibc idn openssl", "git gitlib"],
      "a rest of one class is that class's layer",
    );
    assert.deepEqual(parts(git, 2), ["git gitlib glibc idn openssl"]);
    const curl = cutGroups(plan, closure("curl", "openssl", "glibc", "idn"));
    assert.deepEqual(parts(curl, 0), ["glibc idn openssl", "curl"]);
  });

  it("refuses two nodes of one id", () =>
    assert.throws(() => buildPlan([node("a", 1, []), node("a", 1, [])]), /two nodes named a/));
});
