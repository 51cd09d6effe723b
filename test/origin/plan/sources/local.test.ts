import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { DemandCount } from "../../../../edge/contract/demand.ts";
import { type DemandBucket, makePlan, readDemand } from "../../../../origin/plan/index.ts";
import { lockGraph } from "../../../../origin/plan/sources/lock.ts";
import { storeGraph } from "../../../../origin/plan/sources/store.ts";

const unit = (pname: string, debs: string[], deps: string[]) => ({
  pname,
  version: "1.0",
  description: "",
  debs,
  deps,
  keep: [],
  beforeBash: false,
});
const LOCK = JSON.stringify({
  format: 1,
  architecture: "amd64",
  attributes: { ImageMagick: "imagemagick", _7zz: "7zip", "xorg.xeyes": "x11-apps" },
  debs: {
    im: { installed: 5_000_000 },
    "im-data": { installed: 17_000_000 },
    z: { installed: 3_000_000 },
    c: { installed: 12_000_000 },
    x: { installed: 1_000_000 },
  },
  tools: [],
  units: {
    imagemagick: unit("imagemagick", ["im", "im-data"], ["libc"]),
    "7zip": unit("7zip", ["z"], ["libc"]),
    libc: unit("glibc", ["c"], []),
    "x11-apps": unit("x11-apps", ["x"], ["libc"]),
  },
});

/** A bucket of those objects. */
function bucketOf(objects: Record<string, string>): DemandBucket {
  return {
    async *list(prefix) {
      yield* Object.keys(objects).filter((key) => key.startsWith(prefix));
    },
    get: async (key) =>
      objects[key] === undefined ? null : new TextEncoder().encode(objects[key]),
  };
}

describe("the starter set's graph", () => {
  it("is all in its lock, with names as requests spell them", () => {
    const nodes = Object.fromEntries(
      lockGraph(LOCK).map(({ id, name, size, references, roots }) => [
        id,
        { name, size, references, roots },
      ]),
    );
    assert.deepEqual(nodes["imagemagick"], {
      name: "imagemagick-1.0",
      size: 22_000_000,
      references: ["libc"],
      roots: ["imagemagick"],
    });
    assert.deepEqual(nodes["7zip"]!.roots, ["7zz"]);
    assert.deepEqual(nodes["x11-apps"]!.roots, ["xorg.xeyes"]);
    assert.deepEqual(nodes["libc"], {
      name: "glibc-1.0",
      size: 12_000_000,
      references: [],
      roots: [],
    });
  });

  it("makes a plan, with demand once enough was counted", async () => {
    const dir = await mkdtemp(join(tmpdir(), "firn-plan-"));
    try {
      await writeFile(join(dir, "lock-amd64.json"), LOCK);
      const make = (pulled?: DemandCount) =>
        makePlan({ source: { kind: "starter", dir, system: "x86_64-linux" }, pulled });
      const loadOf = (plan: Awaited<ReturnType<typeof make>>, name: string) => plan.names[name]![1];
      const counted = await make({ pulls: 200, packages: { imagemagick: 150 } });
      // Of three packages a pull that nobody counted is taken to want 1.5.
      assert.equal(loadOf(await make(), "imagemagick-1.0"), 0.5);
      assert.equal(loadOf(counted, "imagemagick-1.0"), 0.75);
      assert.deepEqual(await make({ pulls: 3, packages: { imagemagick: 3 } }), await make());
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

describe("the local store's graph", () => {
  it("is the closure of the packages that are there", async () => {
    const [git, glibc] = ["git-2.39.5", "glibc-2.39"].map(
      (name, number) => `/nix/store/${String(number).repeat(32)}-${name}`,
    ) as [string, string];
    const narHash = `sha256:${"0".repeat(64)}` as const;
    const closure = new Map([
      [git, { path: git, narHash, narSize: 7, references: [glibc] }],
      [glibc, { path: glibc, narHash, narSize: 9, references: [] }],
    ]);
    const nodes = await storeGraph(
      new Map([
        ["git", git],
        ["gitMinimal", git],
      ]),
      async (asked) => {
        assert.deepEqual(asked, [git]);
        return closure;
      },
    );
    assert.deepEqual(nodes, [
      { id: git, name: "git-2.39.5", size: 7, references: [glibc], roots: ["git", "gitminimal"] },
      { id: glibc, name: "glibc-2.39", size: 9, references: [], roots: [] },
    ]);
  });
});

describe("demand", () => {
  it("adds up all counts of the package set, and reports what is none", async () => {
    const lines: string[] = [];
    const bucket = bucketOf({
      "demand/starter/2026-01-01/a.json": '{"pulls":150,"packages":{"git":100}}',
      "demand/starter/2026-01-02/b.json": '{"pulls":50,"packages":{"git":20,"curl":50}}',
      "demand/starter/2026-01-02/c.json": "{",
      "demand/channel/2026-01-02/d.json": '{"pulls":1000,"packages":{"git":1000}}',
    });
    assert.deepEqual(await readDemand(bucket, "starter", (line) => lines.push(line)), {
      pulls: 200,
      packages: { curl: 50, git: 120 },
    });
    assert.match(lines.join(), /c\.json is not a count of pulls/);
  });
});
