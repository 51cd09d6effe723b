/**
 * `firn completion bash|zsh|fish`: a script that completes commands, options and their choices,
 * made from commander's own table, so that it knows what `--help` knows. It starts no process at a
 * Tab.
 */
import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** What a shell needs to know of a command. */
interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Flag[];
}

interface Flag {
  readonly long: string;
  readonly short: string | undefined;
  readonly summary: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** The script for a shell, to be evaluated when it starts. */
export function completionScript(shell: Shell, program: CommandUnknownOpts): string {
  const entries = program.commands.map(entryOf);
  switch (shell) {
    case "bash":
      return bash(entries);
    case "zsh":
      return zsh(entries);
    case "fish":
      return fish(entries);
  }
}

const entryOf = (command: CommandUnknownOpts): Entry => ({
  name: command.name(),
  summary: command.summary() || command.description(),
  options: [...command.options.flatMap(flagOf), HELP],
});

const HELP: Flag = {
  long: "--help",
  short: "-h",
  summary: "what it does, and examples",
  takesValue: false,
  choices: [],
};

const flagOf = ({ long, short, description, required, optional, argChoices }: Option): Flag[] =>
  long === undefined || long === null
    ? []
    : [
        {
          long,
          short: short ?? undefined,
          summary: description,
          takesValue: required || optional,
          choices: argChoices ?? [],
        },
      ];

const flagsOf = ({ long, short }: Flag): string[] => [long, ...(short ? [short] : [])];

/** A text as a shell's string in single quotes. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

function bash(entries: readonly Entry[]): string {
  const values = entries.flatMap(({ name, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map((flag) => {
        const patterns = flagsOf(flag).map((option) => quoted(`${name} ${option}`));
        const reply =
          flag.choices.length === 0
            ? "compopt -o default"
            : `COMPREPLY=($(compgen -W ${quoted(flag.choices.join(" "))} -- "$cur"))`;
        return `    ${patterns.join("|")}) ${reply}; return ;;`;
      }),
  );
  const options = entries.map(
    ({ name, options: all }) => `    ${name}) words=${quoted(all.flatMap(flagsOf).join(" "))} ;;`,
  );
  return `_firn() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command='' words='' word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) ;;
      *) command=$word; break ;;
    esac
  done
  if [ -z "$command" ]; then
    COMPREPLY=($(compgen -W ${quoted(entries.map(({ name }) => name).join(" "))} -- "$cur"))
    return
  fi
  case "$command $prev" in
${values.join("\n")}
  esac
  case "$command" in
${options.join("\n")}
  esac
  case "$cur" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    *) compopt -o default ;;
  esac
}
complete -F _firn firn
`;
}

/** For a description in _arguments and _describe, where brackets and colons mean something. */
const forZsh = (text: string): string => text.replaceAll(/[[\]:\\]/g, String.raw`\$&`);

function zsh(entries: readonly Entry[]): string {
  const commands = entries.map(({ name, summary }) =>
    quoted(`${name.replaceAll(":", "\\:")}:${forZsh(summary)}`),
  );
  const cases = entries.map(({ name, options }) => {
    const specs = options.flatMap((flag) =>
      flagsOf(flag).map((option) => {
        const action = flag.choices.length === 0 ? "_files" : `(${flag.choices.join(" ")})`;
        const value = flag.takesValue ? `:value:${action}` : "";
        return quoted(`${option}[${forZsh(flag.summary)}]${value}`);
      }),
    );
    return `    ${name}) _arguments ${[...specs, quoted("*:argument:_files")].join(" ")} ;;`;
  });
  return `#compdef firn
_firn() {
  local -a commands
  commands=(${commands.join(" ")})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join("\n")}
  esac
}
compdef _firn firn
`;
}

function fish(entries: readonly Entry[]): string {
  const commands = entries.map(
    ({ name, summary }) =>
      `complete -c firn -n __fish_use_subcommand -f -a ${name} -d ${forFish(summary)}`,
  );
  const options = entries.flatMap(({ name, options: all }) =>
    all.map((flag) => {
      const short = flag.short === undefined ? "" : ` -s ${flag.short.slice(1)}`;
      const choices = flag.choices.length === 0 ? "" : ` -x -a ${forFish(flag.choices.join(" "))}`;
      const value = flag.takesValue && flag.choices.length === 0 ? " -r" : choices;
      return (
        `complete -c firn -n '__fish_seen_subcommand_from ${name}' -l ${flag.long.slice(2)}` +
        `${short}${value} -d ${forFish(flag.summary)}`
      );
    }),
  );
  return `${[...commands, ...options].join("\n")}\n`;
}

/** fish escapes within single quotes. */
const forFish = (text: string): string =>
  `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
