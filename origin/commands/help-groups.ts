/** The groups of commands in `firn --help`, in their order. */
import type { Command } from "@commander-js/extra-typings";

const GROUPS: Readonly<Record<string, readonly string[]>> = {
  "Images:": ["build", "push", "export", "mirror", "alias", "inspect", "diff", "search"],
  "Run your own Firn:": [
    "start",
    "serve",
    "origin",
    "keygen",
    "user",
    "signing-key",
    "deploy",
    "doctor",
  ],
  "Operating one:": ["farm", "drain", "rest", "revoke", "gc", "verify", "pin", "plan"],
  "The shell:": ["completion"],
};

/** Groups and sorts the commands. Throws an Error for a command without a group. */
export function groupCommands(program: Command): void {
  const order = Object.values(GROUPS).flat();
  for (const command of program.commands) {
    const name = command.name();
    const group = Object.entries(GROUPS).find(([, names]) => names.includes(name));
    if (group === undefined) throw new Error(`firn ${name} is in no group of its help`);
    command.helpGroup(group[0]);
  }
  // commander shows groups and commands in the order in which it has the commands.
  (program.commands as Command[]).sort(
    (one, other) => order.indexOf(one.name()) - order.indexOf(other.name()),
  );
}
