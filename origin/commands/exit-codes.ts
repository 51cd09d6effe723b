/** What the exit status of every `firn` command means. One table, which `--help` prints. */

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  found: 3,
  unknown: 4,
  denied: 5,
  later: 6,
} as const;

const MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: "it is done",
  failed: "it failed, and standard error says why",
  usage: "the command line or a variable is wrong",
  found: "it ran, and something needs attention (doctor, diff --exit-code, mirror, revoke)",
  unknown: "there is no such image, package, tag or registry",
  denied: "not signed in, or not allowed",
  later: "the registry cannot do it now: it is building, busy, or limits how often one may ask",
};

/** The table as `--help` shows it. */
export const EXIT_HELP = [
  "Exit status:",
  ...Object.entries(EXIT).map(
    ([name, status]) => `  ${status}  ${MEANINGS[name as keyof typeof EXIT]}`,
  ),
].join("\n");

/** An error for a person, with the exit status that it ends the command with. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly kind: keyof typeof EXIT;
  readonly status: number;

  constructor(kind: keyof typeof EXIT, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.status = EXIT[kind];
  }
}

/** What an HTTP answer that is no success means for a command. */
export function kindOfAnswer(status: number): keyof typeof EXIT {
  if (status === 401 || status === 403) return "denied";
  if (status === 404) return "unknown";
  return status === 429 || status === 503 || status === 504 ? "later" : "failed";
}

/** The exit status that an error ends a command with. */
export const exitStatus = (error: unknown): number =>
  error instanceof CommandFailed ? error.status : EXIT.failed;
