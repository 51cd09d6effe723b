/** The rules of the tree: what stands at the top level, and which side may import what. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join, normalize, relative } from "node:path";
import { test } from "node:test";
import { execa } from "execa";

const root = join(import.meta.dirname, "..");
const { stdout } = await execa("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
  cwd: root,
});
const files = stdout.split("\n");

/** Relative imports of a file, as paths from the root. */
async function importsOf(file: string): Promise<string[]> {
  const text = await readFile(join(root, file), "utf8");
  const specifiers = text.matchAll(/(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g);
  return Array.from(specifiers, ([, specifier = ""]) =>
    normalize(relative(root, join(root, dirname(file), specifier))),
  );
}

const sources = (folder: string): string[] =>
  files.filter((file) => file.startsWith(`${folder}/`) && file.endsWith(".ts"));

test("the top level holds what the design names and nothing else", () => {
  const allowed = new Set([
    "edge",
    "origin",
    "nix",
    "test",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "wrangler.toml",
    "README.md",
    "LICENSE",
  ]);
  const top = new Set(files.map((file) => file.split("/")[0] ?? ""));
  const extra = [...top].filter((name) => !name.startsWith(".") && !allowed.has(name));
  assert.deepEqual(extra, []);
});

test("edge imports nothing of origin, nix or test", async () => {
  assert.ok(sources("edge").length > 0);
  for (const file of sources("edge")) {
    const wrong = (await importsOf(file)).filter((path) => !path.startsWith("edge/"));
    assert.deepEqual(wrong, [], `${file} imports from outside edge`);
  }
});

test("origin imports of edge only edge/contract and edge/compose", async () => {
  assert.ok(sources("origin").length > 0);
  const allowed = /^(origin\/|edge\/contract\/|edge\/compose\/|package\.json$)/;
  for (const file of sources("origin")) {
    const wrong = (await importsOf(file)).filter((path) => !allowed.test(path));
    assert.deepEqual(wrong, [], `${file} imports more than the contract`);
  }
});

/**
 * Each room of edge/ and the rooms that it may import from, beside itself. Files of edge/ itself
 * are not listed: config.ts (with variables.ts and bucket-config.ts), env.ts and log.ts serve all,
 * worker.ts sees all.
 */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  contract: [],
  access: ["contract"],
  store: ["contract"],
  compose: ["contract"],
  pull: ["contract", "access", "store", "compose", "farm"],
  farm: ["contract", "store", "compose"],
  referrers: ["contract", "store", "compose", "pull"],
  registry: ["contract", "access", "store", "pull", "referrers"],
  api: ["contract", "access", "store", "compose", "pull", "registry", "farm"],
  site: ["contract", "pull"],
  operator: ["contract", "access", "store", "pull", "registry", "farm"],
  housekeeping: ["contract", "store", "compose", "pull", "farm", "operator"],
};

for (const [room, others] of Object.entries(ROOMS)) {
  test(`edge/${room} imports only ${[room, ...others].join(", ")}`, async () => {
    const files = sources(`edge/${room}`);
    assert.ok(files.length > 0, `edge/${room} is empty`);
    for (const file of files) {
      const rooms = (await importsOf(file))
        .map((path) => path.split("/"))
        .filter((parts) => parts.length > 2);
      const wrong = rooms
        .map(([, imported = ""]) => imported)
        .filter((imported) => imported !== room && !others.includes(imported));
      assert.deepEqual(wrong, [], `${file} imports from a room that it must not know`);
    }
  });
}

/** The inner rooms of the two largest, and which of their sisters each may import from. */
const INNER_ROOMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "edge/pull": { tags: [], packages: [], images: ["tags", "packages"] },
  "edge/farm": {
    schedule: [],
    builds: ["schedule"],
    publication: ["builds"],
    origins: ["schedule"],
    jobs: ["schedule", "builds", "publication", "origins"],
    uploads: ["publication", "origins", "jobs"],
  },
};

for (const [outer, rooms] of Object.entries(INNER_ROOMS)) {
  test(`the rooms of ${outer} import each other one way`, async () => {
    for (const file of sources(outer)) {
      const [room = ""] = file.slice(outer.length + 1).split("/");
      if (room.endsWith(".ts")) continue;
      const others = rooms[room];
      assert.ok(others !== undefined, `${outer}/${room} is not listed here`);
      const sisters = (await importsOf(file))
        .filter((path) => path.startsWith(`${outer}/`))
        .map((path) => path.slice(outer.length + 1).split("/")[0] ?? "")
        .filter((imported) => imported in rooms && imported !== room);
      const wrong = sisters.filter((imported) => !others.includes(imported));
      assert.deepEqual(wrong, [], `${file} imports from a room that it must not know`);
    }
  });
}

/** What Node and workerd both have, without a compatibility flag. */
const EVERYWHERE = /from ["']node:(crypto|zlib)["']/g;

for (const room of ["contract", "compose"]) {
  test(`edge/${room} runs anywhere: nothing of a runtime's own, nor of the Worker`, async () => {
    for (const file of sources(`edge/${room}`)) {
      const text = await readFile(join(root, file), "utf8");
      assert.doesNotMatch(
        text.replaceAll(EVERYWHERE, ""),
        /from ["'](node:|cloudflare:)/,
        `${file} imports a runtime's own module`,
      );
      const wrong = (await importsOf(file)).filter((path) => path.split("/").length < 3);
      assert.deepEqual(wrong, [], `${file} imports the Worker's own files`);
    }
  });
}
