/** `firn doctor`: what is wrong here, and what to do about it. */
import { styleText } from "node:util";
import { type DoctorOptions, examine } from "../doctor/index.ts";
import { type Finding, type Health, shownFinding } from "../doctor/finding.ts";
import { EXIT } from "./exit-codes.ts";
import { openProgress } from "./progress.ts";

const COLOURS = { ok: "green", warning: "yellow", fault: "red" } as const;
const paint = (health: Health, mark: string): string =>
  styleText(COLOURS[health], mark, { stream: process.stdout });

/** Prints each finding when it is known, or with `json` all of them at the end. */
export async function doctor(
  options: DoctorOptions & { readonly json: boolean },
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const progress = openProgress();
  const findings: Finding[] = [];
  for await (const finding of examine(options, env)) {
    findings.push(finding);
    if (options.json) continue;
    progress.end();
    process.stdout.write(`${shownFinding(finding, paint).join("\n")}\n`);
  }
  progress.end();
  if (options.json) process.stdout.write(`${JSON.stringify({ findings })}\n`);
  if (findings.some(({ health }) => health === "fault")) process.exitCode = EXIT.found;
}

/** The faults that the doctor finds, as lines, for a start that has failed. */
export async function whatIsWrong(
  options: DoctorOptions,
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const lines: string[] = [];
  for await (const finding of examine(options, env))
    if (finding.health === "fault") lines.push(...shownFinding(finding));
  return lines;
}
