/** The commands of operators about the bucket: `firn gc`, `firn verify`, `firn pin`. */
import { type Command, Option } from "@commander-js/extra-typings";
import {
  GRACE,
  MAX_GRACE,
  MAX_UNUSED,
  MIN_GRACE,
  MIN_UNUSED,
  UNUSED,
} from "../../edge/contract/housekeeping.ts";
import { EXIT, EXIT_HELP } from "../commands/exit-codes.ts";
import { period } from "../option-values.ts";
import { tell } from "../process.ts";
import { ACCOUNT_HELP, clientOf, operatorCommand, print } from "./account.ts";

const GC_HELP = `
${ACCOUNT_HELP}
In use is what was pulled or written within --unused, what is pinned (firn pin), and what these
name. With --delete the rest is condemned, and deleted by a run at least --grace later, if it is
still unused then: so run it once a day, or set GC at the edge. It may be interrupted and run again,
and pulls and builds may go on.

Examples:
  firn gc --edge https://firn.example
  firn gc --unused 30d --delete

${EXIT_HELP}`;

const VERIFY_HELP = `
${ACCOUNT_HELP}
Every record is looked at: its signature, and whether the blobs that it names are there. With
--repair a record that cannot be believed is withdrawn, and packages whose blobs are lost are made
again by an origin.

Examples:
  firn verify --edge https://firn.example
  firn verify --repair

${EXIT_HELP}
Here ${EXIT.found} means that something is broken still.`;

const PIN_HELP = `
${ACCOUNT_HELP}

Examples:
  firn pin shell/git@sha256:4355…
  firn pin --edge https://firn.example
  firn pin shell/git@sha256:4355… --undo

${EXIT_HELP}`;

/** Adds these commands. */
export function addHousekeepingCommands(program: Command): void {
  operatorCommand(program, "gc", "what of the bucket is in use, and deleting what is not")
    .addOption(
      new Option("--unused <period>", "what nobody has pulled for so long is unused")
        .argParser(period(MIN_UNUSED, MAX_UNUSED))
        .default(UNUSED, "90d"),
    )
    .addOption(
      new Option(
        "--grace <period>",
        "how long an object must have been known to be unused before it is deleted",
      )
        .argParser(period(MIN_GRACE, MAX_GRACE))
        .default(GRACE, "1d"),
    )
    .option("--delete", "condemn what is unused, and delete what was condemned before", false)
    .option("--json", "the counts, as JSON on standard output", false)
    .addHelpText("after", GC_HELP)
    .action(async ({ unused, grace, delete: deletes, json, ...account }) => {
      const { gc, shownGc } = await import("./gc.ts");
      const progress = await gc(await clientOf(account), { unused, grace, delete: deletes }, tell);
      print(json ? JSON.stringify(progress) : shownGc(progress));
    });
  operatorCommand(program, "verify", "whether what is in the bucket is whole, and repairing it")
    .option("--deep", "read every blob, and hash it", false)
    .option("--repair", "withdraw what cannot be believed, have made again what is lost", false)
    .option("--json", "all that was found, as JSON on standard output", false)
    .addHelpText("after", VERIFY_HELP)
    .action(async ({ deep, repair, json, ...account }) => {
      const { isBroken, shownVerified, verify } = await import("./verify.ts");
      const verified = await verify(await clientOf(account), { deep, repair, tell });
      print(json ? JSON.stringify(verified) : shownVerified(verified));
      if (isBroken(verified)) process.exitCode = EXIT.found;
    });
  operatorCommand(program, "pin", "an image that is kept although nobody pulls it; all of them")
    .argument("[image]", "NAME@sha256:…; without it, what is pinned is listed")
    .option("--undo", "let it be collected again", false)
    .addHelpText("after", PIN_HELP)
    .action(async (image, { undo, ...account }) => {
      const client = await clientOf(account);
      const [name = "", digest = ""] = image?.split("@") ?? [];
      const { pins } = await (image === undefined
        ? client.pins()
        : client.pin(name, digest, !undo));
      for (const pin of pins) print(`${pin.name}@${pin.digest}${undo ? " is pinned no more" : ""}`);
    });
}
