/** The pages for operators, and the manifest for Kubernetes: what they name exists. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import { execa } from "execa";
import { isVariable } from "../../../edge/contract/variable-names.ts";
import * as options from "../../../origin/options.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PAGES = ["edge/operator/public-instance.md", "edge/operator/runbook.md"];
const MANIFEST = "origin/server/examples/kubernetes.yaml";
const read = (path: string): Promise<string> => readFile(join(ROOT, path), "utf8");

const help = async (...command: string[]): Promise<string> => {
  const args = ["origin/main.ts", ...command, "--help"];
  return (await execa(process.execPath, args, { cwd: ROOT })).stdout;
};

/** Words of the commands that a page has after one of these beginnings, up to what ends them. */
const commandsIn = (text: string, beginning: string): string[][] =>
  Array.from(text.matchAll(new RegExp(`${beginning} ([^\\n\`|>]+)`, "g")), ([, words = ""]) =>
    (words.split("  #")[0] ?? "").trim().split(/\s+/),
  );

/** Variables that `firn serve` and `firn origin` take, beside the Worker's. */
function optionVariables(): Set<string> {
  const { SERVE, ORIGIN, SHARED } = options;
  const all = [SERVE, ORIGIN, SHARED].flatMap((group) => Object.values(group));
  return new Set(all.flatMap(({ envVar }) => (envVar === undefined ? [] : [envVar])));
}

describe("what the pages for operators name", () => {
  let commands: Set<string>;
  before(async () => {
    const listed = (await help()).matchAll(/^ {2}([a-z-]+) /gm);
    commands = new Set(Array.from(listed, ([, name = ""]) => name));
  });

  for (const page of PAGES)
    test(`${page}: commands of firn, with their options`, async () => {
      const text = await read(page);
      const used = [
        ...commandsIn(text, "npm run (?:-s )?firn --"),
        ...commandsIn(text, "`firn"),
      ].filter(([name = ""]) => /^[a-z]+$/.test(name) && name !== "is");
      assert.ok(used.length > 3, "no commands were found");
      for (const [name = "", ...rest] of used) {
        assert.ok(commands.has(name), `firn ${name} does not exist`);
        const flags = rest.filter((word) => word.startsWith("--"));
        if (flags.length === 0) continue;
        const its = await help(name);
        for (const flag of flags) assert.ok(its.includes(flag), `firn ${name} has no ${flag}`);
      }
    });

  test("scripts of npm, and the environments of wrangler.toml", async () => {
    const { scripts } = JSON.parse(await read("package.json")) as { scripts: object };
    const toml = await read("wrangler.toml");
    let environments = 0;
    for (const page of PAGES) {
      const text = await read(page);
      for (const [name = ""] of commandsIn(text, "npm run(?: -s)?"))
        assert.ok(name in scripts, `${page}: there is no script ${name}`);
      for (const [, env = ""] of text.matchAll(/--env ([a-z]+)/g)) {
        environments += 1;
        assert.ok(toml.includes(`[env.${env}.vars]`), `${page}: no environment ${env}`);
      }
    }
    assert.ok(environments > 0);
  });

  test("files that they link to", async () => {
    for (const page of PAGES)
      for (const [, link = ""] of (await read(page)).matchAll(/\]\(([^)#]+)[^)]*\)/g))
        if (!/^https?:/.test(link)) await read(join(dirname(page), link));
  });

  test("variables in blocks of the pages and in the manifest", async () => {
    const known = optionVariables();
    const names: string[] = [];
    for (const page of PAGES)
      names.push(
        ...Array.from((await read(page)).matchAll(/^ +([A-Z][A-Z0-9_]+) ?=/gm), ([, n = ""]) => n),
      );
    const manifest = await read(MANIFEST);
    names.push(
      ...Array.from(manifest.matchAll(/^ {2}([A-Z][A-Z0-9_]+): /gm), ([, name = ""]) => name),
      ...Array.from(manifest.matchAll(/- name: ([A-Z][A-Z0-9_]+)$/gm), ([, name = ""]) => name),
    );
    assert.ok(names.length > 25, "the variables were not found");
    const ofOthers = new Set("NIX_CONFIG PATH FIRN_EDGE FIRN_USER FIRN_PASSWORD".split(" "));
    for (const name of names)
      assert.ok(isVariable(name) || known.has(name) || ofOthers.has(name), `nothing reads ${name}`);
  });
});
