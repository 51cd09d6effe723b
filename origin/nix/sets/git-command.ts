/**
 * Calls git for a package set: with the machine's own credentials, and nothing else of its trust.
 * The URL and the refs come from elsewhere, so
 *   - arguments are arrays, never a shell, and what is not an option stands after `--` (`--upload-pack=…` as a ref runs a program: nova-nix#143);
 *   - only transports that run nothing of the URL's choosing are allowed (`ext::` runs a shell);
 *   - nothing is asked on a terminal; hooks, filters and attributes of the machine's configuration do not touch what is checked out.
 */
import { failed } from "../failures.ts";
import { machineTrouble } from "../error-message.ts";
import { run, type RunResult } from "../run.ts";
import type { FailureError } from "../types.ts";

const PROTOCOLS = "https:http:ssh:git:file";

/** Everything that credentials may depend on is passed: HOME, the SSH agent, proxies. */
const KEPT =
  /^(PATH|HOME|USER|LOGNAME|TMPDIR|XDG_(CONFIG|CACHE|RUNTIME)_.*|SSH_(AUTH_SOCK|AGENT_PID)|GIT_(SSH|SSH_COMMAND|SSL_.*|CONFIG_.*|ASKPASS|HTTP_.*|PROXY_.*)|SSL_CERT_(FILE|DIR)|CURL_CA_BUNDLE|[a-z]+_proxy|[A-Z]+_PROXY)$/;

/** For git that talks to another host. */
export function remoteEnvironment(sshCommand: string | undefined): Record<string, string> {
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && KEPT.test(name) ? [[name, value] as const] : [],
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
 * For git that only handles what is here: no configuration of the machine or of a user, so that the
 * same commit is the same files everywhere.
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
}

/**
 * Runs git; throws a FailureError of reason error on a timeout, leaves any other end to the caller.
 */
export async function git(args: readonly string[], options: GitOptions): Promise<RunResult> {
  const result = await run("git", args, options);
  if (result.timedOut) throw failed("error", `git took longer than ${options.timeout / 1_000} s`);
  return result;
}

/**
 * Runs git and gives its output; anything but success is a FailureError that says what was being
 * done.
 */
export async function gitOutput(
  what: string,
  args: readonly string[],
  options: GitOptions,
): Promise<string> {
  const result = await git(args, options);
  if (result.exitCode !== 0) throw gitFailure(what, result);
  return result.stdout;
}

export function gitFailure(what: string, { stderr }: RunResult): FailureError {
  const line =
    stderr.findLast((text) => /^(fatal|error|remote|ERROR)\b/.test(text)) ??
    stderr.at(-1) ??
    "git gave no reason";
  return failed("error", `${what}: ${machineTrouble(line) ?? withoutUserinfo(line)}`);
}

/** Messages of git repeat URLs, and these may carry passwords. */
export function withoutUserinfo(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s']*@/gi, "$1");
}
