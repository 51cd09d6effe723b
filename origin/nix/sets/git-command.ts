/**
 * Calls git with the machine's credentials, or those of the URL (credentials.ts). URL and refs are
 * not trusted, so:
 *   - arguments are an array and never go through a shell, and all but options stand after `--`: a ref
 *     `--upload-pack=…` would run a program;
 *   - transports that run a program named in the URL (`ext::`) are not allowed;
 *   - git does not ask on a terminal, and no hook, filter or attribute of the machine's configuration
 *     changes what is checked out.
 */
import { machineTrouble } from "../error-message.ts";
import { failed } from "../failures.ts";
import { run, type RunResult } from "../run.ts";
import type { FailureError } from "../types.ts";

const PROTOCOLS = "https:http:ssh:git:file";

/** Variables for credentials and connections: HOME, the SSH agent, proxies. */
const KEPT = [
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|XDG_(CONFIG|CACHE|RUNTIME)_.*)$/,
  /^SSH_(AUTH_SOCK|AGENT_PID)$/,
  /^GIT_(SSH|SSH_COMMAND|SSL_.*|CONFIG_.*|ASKPASS|HTTP_.*|PROXY_.*)$/,
  /^(SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE|[a-z]+_proxy|[A-Z]+_PROXY)$/,
];

/**
 * The environment of a git that connects to another host. `sshCommand`: git's core.sshCommand,
 * which GIT_SSH_COMMAND, set here, would override.
 */
export function remoteEnvironment(sshCommand?: string): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && KEPT.some((pattern) => pattern.test(name))
      ? [[name, value] as const]
      : [],
  );
  const ssh = process.env["GIT_SSH_COMMAND"] ?? sshCommand ?? process.env["GIT_SSH"] ?? "ssh";
  return {
    ...Object.fromEntries(kept),
    LC_ALL: "C.UTF-8",
    GIT_TERMINAL_PROMPT: "0",
    SSH_ASKPASS_REQUIRE: "never",
    GIT_SSH_COMMAND: `${ssh} -o BatchMode=yes`,
    GIT_ALLOW_PROTOCOL: PROTOCOLS,
    GIT_PROTOCOL_FROM_USER: "0",
  };
}

/**
 * The environment of a git that uses local files alone. Without the configuration of machine and
 * user a commit gives the same files everywhere.
 */
export function localEnvironment(): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    LC_ALL: "C.UTF-8",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_ATTR_NOSYSTEM: "1",
  };
}

export interface GitOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Longest time it may take, ms. */
  readonly timeout: number;
  readonly cwd?: string;
}

/** Runs git, whatever its exit code. Throws a FailureError of reason `error` on a timeout. */
export async function git(args: readonly string[], options: GitOptions): Promise<RunResult> {
  const result = await run("git", args, options);
  if (result.timedOut) throw failed("error", `git took longer than ${options.timeout / 1_000} s`);
  return result;
}

/** Runs git; returns its stdout. Throws `gitFailure` when it fails. */
export async function gitOutput(
  what: string,
  args: readonly string[],
  options: GitOptions,
): Promise<string> {
  const result = await git(args, options);
  if (result.exitCode === 0) return result.stdout;
  throw gitFailure(what, result);
}

/** A FailureError of reason `error` with `what` (a clause) and git's own message. */
export function gitFailure(what: string, { stderr }: Pick<RunResult, "stderr">): FailureError {
  const said = stderr.filter((text) => /^(fatal|error|remote|ERROR)\b/.test(text));
  // The reason comes before this one, which is the same for every repository.
  const line =
    said.findLast((text) => !text.startsWith("fatal: Could not read from remote repository")) ??
    said.at(-1) ??
    stderr.at(-1) ??
    "git gave no reason";
  return failed("error", `${what}: ${machineTrouble(line) ?? withoutUserinfo(line)}`);
}

/** The text without users and passwords of URLs: git's messages repeat URLs. */
export function withoutUserinfo(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s']*@/gi, "$1");
}
