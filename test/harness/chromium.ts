/** Debian's Chromium by playwright-core, and axe-core in its pages. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type Browser, chromium, type Page } from "playwright-core";
import { type Need, which } from "../../origin/local/needs.ts";

export const CHROMIUM: Need = {
  command: "chromium",
  debian: "chromium",
  purpose: "opens the page",
};

/**
 * A browser of one's own, without a sandbox of its own where root runs it. Throws without Chromium.
 */
export async function startBrowser(): Promise<Browser> {
  const executablePath = await which(CHROMIUM.command);
  if (executablePath === undefined) throw new Error("there is no chromium on the PATH");
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath, args });
}

const axeSource = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/**
 * What axe finds wrong with a page as it is now, one line each; by all its rules but experimental
 * ones.
 */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(await axeSource);
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(): Promise<{ violations: Violation[] }> };
    };
    return (await axe.run()).violations;
  });
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary = "" }) => `${id}: ${help}: ${html} ${failureSummary}`),
  );
}
