/** The commands of operators about origins: `firn farm`, `drain`, `rest`, `revoke`. */
import type { Command } from "@commander-js/extra-typings";
import { MAX_REST_SECONDS } from "../../edge/contract/operator.ts";
import { EXIT, EXIT_HELP } from "../commands/exit-codes.ts";
import { originName, sinceTime, whole } from "../option-values.ts";
import { tell } from "../process.ts";
import { stopSignal } from "../stop-signal.ts";
import { ACCOUNT_HELP, clientOf, operatorCommand, print } from "./account.ts";
import { addHousekeepingCommands } from "./housekeeping.ts";

/** How often `firn farm` asks again, ms. */
const REFRESH = 2_000;
/** Further attempts at a request while the screen is refreshed regularly. */
const NO_RETRIES = 0;
/** The width when the output is not a terminal: lines are not cut. */
const ANY_WIDTH = Infinity;

const FARM_HELP = `
${ACCOUNT_HELP}
In a terminal it is shown in place until Ctrl-C; otherwise, or with --once or --json, once.

Examples:
  firn farm --edge https://firn.example --user root
  firn farm --json | jq '.regions[].queued'

${EXIT_HELP}`;
const DRAIN_HELP = `
${ACCOUNT_HELP}
It holds until --undo, also when the origin connects again. Jobs that the origin has go on.

Examples:
  firn drain rack-1
  firn drain rack-1 --undo

${EXIT_HELP}`;
const REST_HELP = `
${ACCOUNT_HELP}
After a rest the origin is tried with one job.

Example:
  firn rest rack-1 --seconds 600

${EXIT_HELP}`;
const REVOKE_HELP = `
${ACCOUNT_HELP}
It may be interrupted and run again: what is withdrawn stays withdrawn.

Examples:
  firn revoke rack-1 --since 2026-01-31T12:00:00Z
  firn revoke rack-1 --delete

${EXIT_HELP}
Here ${EXIT.found} means that records rest on the origin, and --delete was not given.`;

const jobsText = (jobs: number): string =>
  jobs === 0 ? "it has no job" : `it finishes ${jobs} job${jobs === 1 ? "" : "s"} that it has`;

/** Adds all commands of operators. */
export function addOperatorCommands(program: Command): void {
  addFarm(program);
  addDrain(program);
  addRest(program);
  addRevoke(program);
  addHousekeepingCommands(program);
}

function addFarm(program: Command): void {
  operatorCommand(
    program,
    "farm",
    "how the farm is: origins, the queue, the latest builds and failures",
  )
    .option("--once", "show it once, in a terminal too", false)
    .option("--json", "all that the edge tells, as JSON on standard output, once", false)
    .addHelpText("after", FARM_HELP)
    .action(async ({ once, json, ...account }) => {
      const client = await clientOf(account);
      if (json) return print(JSON.stringify(await client.farm()));
      const { shownFarm } = await import("./farm.ts");
      const { host } = account.edge;
      const { stdout } = process;
      if (once || !stdout.isTTY) {
        const width = stdout.isTTY ? stdout.columns : ANY_WIDTH;
        return print(shownFarm(await client.farm(), host, width).join("\n"));
      }
      const { watch } = await import("./watch.ts");
      await watch({
        terminal: stdout,
        every: REFRESH,
        signal: stopSignal(),
        make: async (width) => shownFarm(await client.farm(NO_RETRIES), host, width),
      });
    });
}

function addDrain(program: Command): void {
  operatorCommand(
    program,
    "drain",
    "give an origin no more jobs: before it is stopped, or looked into",
  )
    .argument("<name>", "the origin's name", originName)
    .option("--undo", "give it jobs again", false)
    .addHelpText("after", DRAIN_HELP)
    .action(async (name, { undo, ...account }) => {
      const client = await clientOf(account);
      const { changed, jobs } = await (undo ? client.undrain(name) : client.drain(name));
      if (undo) print(`${name} ${changed ? "is given jobs again" : "was not drained"}`);
      else print(`${name} ${changed ? "is" : "was already"} drained; ${jobsText(jobs)}`);
    });
}

function addRest(program: Command): void {
  operatorCommand(program, "rest", "give an origin no jobs for a while")
    .argument("<name>", "the origin's name", originName)
    .requiredOption(
      "--seconds <n>",
      "how long; 0 ends a rest",
      whole("seconds", 0, MAX_REST_SECONDS),
    )
    .addHelpText("after", REST_HELP)
    .action(async (name, { seconds, ...account }) => {
      const { jobs } = await (await clientOf(account)).rest(name, seconds);
      const { duration } = await import("./table.ts");
      if (seconds === 0) print(`${name} rests no longer; it is tried with one job`);
      else print(`${name} rests for ${duration(seconds)}; ${jobsText(jobs)}`);
    });
}

function addRevoke(program: Command): void {
  operatorCommand(
    program,
    "revoke",
    "an origin is compromised: shut it out, and see or withdraw what rests on it",
  )
    .argument("<name>", "the origin's name", originName)
    .option(
      "--since <time>",
      "only what was written at or after it (2026-01-31T12:00:00Z)",
      sinceTime,
    )
    .option(
      "--delete",
      "withdraw the records: other origins make them again at the next pull",
      false,
    )
    .option("--lift", "let the origin in again; nothing else", false)
    .option("--json", "all records, as JSON on standard output", false)
    .addHelpText("after", REVOKE_HELP)
    .action(async (name, { since = 0, delete: withdraw, lift, json, ...account }) => {
      const { isLeft, revoke, shown } = await import("./revoke.ts");
      const client = await clientOf(account);
      if (lift) {
        const { lifted } = await client.lift(name);
        return print(`${name} ${lifted ? "may connect again" : "was not revoked"}`);
      }
      const revocation = await revoke(client, { origin: name, since, withdraw, tell });
      print(json ? JSON.stringify(revocation) : shown(revocation));
      if (isLeft(revocation)) process.exitCode = EXIT.found;
    });
}
