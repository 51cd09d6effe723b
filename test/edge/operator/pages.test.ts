/** The pages for operators, and the manifest for Kubernetes: what they name exists (their commands and links: test/docs). */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isVariable } from "../../../edge/contract/variable-names.ts";
import * as options from "../../../origin/options.ts";

const ROOT = join(import.meta.dirname, "../../..");
const PAGES = ["edge/operator/public-instance.md", "edge/operator/runbook.md"];
const MANIFEST = "origin/server/examples/kubernetes.yaml";
const read = (path: string): Promise<string> => readFile(join(ROOT, path), "utf8");

/** Variables that `firn serve` and `firn origin` take, beside the Worker's. */
function optionVariables(): Set<string> {
  const { SERVE, ORIGIN, SHARED } = options;
  const all = [SERVE, ORIGIN, SHARED].flatMap((group) => Object.values(group));
  return new Set(all.flatMap(({ envVar }) => (envVar === undefined ? [] : [envVar])));
}

describe("what the pages for operators name", () => {
  test("environments of wrangler.toml", async () => {
    const toml = await read("wrangler.toml");
    let environments = 0;
    for (const page of PAGES)
      for (const [, env = ""] of (await read(page)).matchAll(/--env ([a-z]+)/g)) {
        environments += 1;
        assert.ok(toml.includes(`[env.${env}.vars]`), `${page}: no environment ${env}`);
      }
    assert.ok(environments > 0);
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
