/**
 * What the page decides without a browser: addresses, commands, the treemap, ways, events, phases.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { parseImageName, parseList } from "../../../edge/contract/names.ts";
import { command, KINDS } from "../../../edge/site/app/commands.ts";
import {
  composeLink,
  formatComposition,
  components,
  imageName,
  parseComposition,
  PLATFORMS,
  whyLong,
} from "../../../edge/site/app/compose/composition.ts";
import { EventReader } from "../../../edge/site/app/build/server-sent-events.ts";
import { ago, bytes } from "../../../edge/site/app/format.ts";
import { builtName, nextPhase, type Phase } from "../../../edge/site/app/build/build-phases.ts";
import { squarify } from "../../../edge/site/app/image/treemap.ts";
import { wayTo } from "../../../edge/site/app/image/dependency-path.ts";

const COMPONENT = fc.stringMatching(/^[a-z0-9]{1,6}([.-][a-z0-9]{1,4})?$/);

function refused(parse: () => unknown): boolean {
  try {
    parse();
    return false;
  } catch {
    return true;
  }
}

describe("what is composed is the address", () => {
  const META = new Set(["shell", "amd64", "arm64"]);
  const composition = fc.record(
    {
      packages: fc.uniqueArray(
        COMPONENT.filter((name) => !META.has(name)),
        { maxLength: 6 },
      ),
      shell: fc.boolean(),
      platform: fc.constantFrom(...PLATFORMS),
      tag: fc.constantFrom("", "nixos-25.05", "a_b.C"),
      pin: fc.boolean(),
    },
    { noNullPrototype: true },
  );
  test("and the address is what is composed", () => {
    fc.assert(
      fc.property(composition, (each) => {
        assert.deepEqual(parseComposition(formatComposition(each)), each);
      }),
    );
  });
  test("an image's name leads back to where it is composed", () => {
    fc.assert(
      fc.property(composition, (each) => {
        const link = composeLink(imageName(each), each.tag);
        assert.deepEqual(parseComposition(link.slice(1)), {
          ...each,
          platform: imageName(each) === "" ? "any" : each.platform,
          pin: false,
        });
      }),
    );
  });
  test("its name is one that the registry takes, and means the same", () => {
    fc.assert(
      fc.property(composition, (each) => {
        const name = imageName(each);
        if (name === "") return;
        const { requested, shell, pinned } = parseImageName(name);
        assert.deepEqual(requested, each.packages.toSorted());
        assert.equal(shell, each.shell);
        assert.equal(pinned !== undefined, each.platform !== "any");
      }),
    );
  });
  test("a list is too long where the registry says so, and for an alias too", () => {
    const seen = new Set<string | null>();
    for (const prefix of ["", "a-longer-name"])
      for (let length = 1; length <= 130; length += 1) {
        const packages = Array.from({ length }, (_, at) => `${prefix}p${at}`);
        const each = { packages, shell: true, platform: "arm64", tag: "", pin: false } as const;
        const why = whyLong(each);
        seen.add(why);
        assert.equal(
          why !== null,
          refused(() => parseImageName(imageName(each))),
        );
        assert.equal(
          why === "packages",
          refused(() => parseList(components(each))),
        );
      }
    assert.deepEqual(seen, new Set([null, "characters", "components", "packages"]));
  });
  test("whatever stands in an address, no name is wrong", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { packages } = parseComposition(`?p=${encodeURIComponent(text)}`);
        for (const each of packages) parseImageName(each);
      }),
    );
  });
});

test("commands name the image and its tag; podman is told of a registry without TLS", () => {
  const image = { host: "firn.test", plain: true, name: "shell/git", tag: "t", shell: true };
  for (const kind of KINDS) assert.match(command(kind, image), /firn\.test\/shell\/git:t/);
  assert.match(command("Podman", image), /--tls-verify=false/);
  assert.doesNotMatch(command("Podman", { ...image, plain: false }), /tls-verify/);
  assert.match(command("Docker", { ...image, tag: "" }), /firn\.test\/shell\/git$/);
});

test("nothing is run of an image that has no command: several packages without a shell", () => {
  const image = { host: "firn.test", plain: false, name: "arm64/git", tag: "", shell: false };
  const several = { ...image, name: "arm64/git/curl" };
  for (const kind of ["Docker", "Podman"] as const) {
    assert.match(command(kind, image), / pull .*\n.* run /);
    assert.match(command(kind, several), / pull [^\n]*$/);
  }
  assert.doesNotMatch(command("Kubernetes", image), /command:/);
  assert.match(command("Kubernetes", several), /command: \[PROGRAM\]/);
});

test("a treemap fills its space by the sizes, and no two boxes overlap", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(sizes, (all) => {
      const total = all.reduce((sum, size) => sum + size, 0);
      const boxes = squarify(all, { x: 0, y: 0, width: 300, height: 200 });
      for (const [at, { width, height, x, y }] of boxes.entries()) {
        const expected = total === 0 ? 0 : ((all[at] ?? 0) / total) * 60_000;
        assert.ok(Math.abs(width * height - expected) < 0.01);
        assert.ok(x >= -0.01 && y >= -0.01 && x + width <= 300.01 && y + height <= 200.01);
        for (const other of boxes.slice(at + 1)) {
          const across = Math.min(x + width, other.x + other.width) - Math.max(x, other.x);
          const down = Math.min(y + height, other.y + other.height) - Math.max(y, other.y);
          assert.ok(across <= 0.01 || down <= 0.01, "two boxes overlap");
        }
      }
    }),
  );
});

test("why a store path is there: the shortest way from a package", () => {
  const nodes = [
    { references: [1, 2], packages: ["git"] },
    { references: [3], packages: [] },
    { references: [1, 4], packages: [] },
    { references: [0], packages: [] },
    { references: [], packages: ["curl"] },
    { references: [], packages: [] },
  ];
  assert.deepEqual(wayTo(3, nodes), [0, 1, 3]);
  assert.deepEqual(wayTo(4, nodes), [4]);
  assert.deepEqual(wayTo(5, nodes), []);
});

test("events are the same however their bytes come", () => {
  const text = 'id: 1\ndata: a: b\n\nid: 2\ndata: \n\nevent: end\ndata: {"state":"done"}\n\n';
  const expected = [
    { type: "message", id: "1", data: "a: b" },
    { type: "message", id: "2", data: "" },
    { type: "end", id: "", data: '{"state":"done"}' },
  ];
  for (let size = 1; size <= text.length; size += 1) {
    const reader = new EventReader();
    const found = [];
    for (let at = 0; at < text.length; at += size)
      found.push(...reader.read(text.slice(at, at + size)));
    assert.deepEqual(found, expected, `in chunks of ${size}`);
  }
});

test("a build goes forward, but for another attempt", () => {
  const path = `/nix/store/${"0".repeat(32)}-git-2.51.drv`;
  const lines = ["waiting for an origin", "evaluating git", `building '${path}'...`, "git> make"];
  const seen: Phase[] = [];
  let phase: Phase = "Waiting";
  for (const line of [...lines, "packing layers", "copying path x", "waiting for an origin"])
    seen.push((phase = nextPhase(phase, line)));
  assert.deepEqual(seen, [
    "Waiting",
    "Evaluating",
    "Building",
    "Building",
    "Packing",
    "Packing",
    "Waiting",
  ]);
  assert.equal(builtName(`building '${path}'...`), "git-2.51");
});

test("sizes and times for people", () => {
  assert.deepEqual([0, 999, 1_000, 38_240_000, 999_600_000].map(bytes), [
    "0 B",
    "999 B",
    "1.00 kB",
    "38.2 MB",
    "1.00 GB",
  ]);
  assert.deepEqual(
    [0, 1_500, 120_000, 7_200_000].map((past) => ago(10_000_000 - past, 10_000_000)),
    ["just now", "1 second ago", "2 minutes ago", "2 hours ago"],
  );
});
