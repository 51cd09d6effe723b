/**
 * Puts the files of a locked input into the store. The hash in the lock decides: it determines the
 * store path, so what is in the store is not fetched, and files with another hash are refused.
 *
 * Whoever writes the lock chooses what is fetched, and must not reach hosts of the operator's own
 * network. So only archives of github.com, gitlab.com and git.sr.ht are fetched; for anything else
 * a prefix of its URL must be in ALLOWED_URIS, as for evaluations.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { whyFailed } from "../error-message.ts";
import { validPaths } from "../build/closure.ts";
import { failed } from "../failures.ts";
import { nixOutput } from "../nix-output.ts";
import { run } from "../run.ts";
import { nixEnvironment, type NixSettings } from "../settings.ts";
import { bareUrl } from "./credentials.ts";
import type { Origin } from "./flake-lock.ts";
import { GitClone } from "./git-clone.ts";
import { withoutUserinfo } from "./git-command.ts";

export interface Input {
  readonly name: string;
  /** The lock's: `sha256-` and base64. */
  readonly narHash: string;
  readonly origin: Exclude<Origin, { kind: "inside" }>;
}

/** The store path of an input. Throws a FailureError when it cannot be fetched or may not be. */
export async function fetchInput(
  { name, narHash, origin }: Input,
  settings: NixSettings,
  signal: AbortSignal,
): Promise<string> {
  const hash = Buffer.from(narHash.slice("sha256-".length), "base64").toString("hex");
  const env = nixEnvironment(settings);
  const fixed = ["--print-fixed-path", "--recursive", "sha256", hash, "source"];
  const path = (
    await nixOutput(`the input ${name} cannot be looked for`, "nix-store", fixed, { env, signal })
  ).trim();
  if ((await validPaths([path], signal)).has(path)) return path;
  checkAllowed(name, origin, settings.allowedUris ?? []);
  const fetched =
    origin.kind === "git"
      ? await checkOut(name, origin, settings, signal)
      : await download(name, { url: origin.url, hash }, settings, signal);
  if (fetched === path) return path;
  throw failed(
    "refused",
    `the files of the input ${name} do not have the hash that flake.lock has for them`,
  );
}

/** Throws a FailureError of reason `refused` for what this origin does not fetch. */
function checkAllowed(name: string, origin: Input["origin"], allowed: readonly string[]): void {
  if (origin.kind === "archive" && origin.isPublic) return;
  const { url } = origin;
  const isBelow = (prefix: string): boolean =>
    url === prefix || url.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);
  if (allowed.some(isBelow)) return;
  throw failed(
    "refused",
    `the input ${name} comes from ${withoutUserinfo(url).slice(0, 200)}, which this origin does not ` +
      `fetch (ALLOWED_URIS)`,
  );
}

async function checkOut(
  name: string,
  { url, rev }: Extract<Origin, { kind: "git" }>,
  settings: NixSettings,
  signal: AbortSignal,
): Promise<string> {
  const id = createHash("sha256").update(url).digest("hex").slice(0, 32);
  const directory = join(settings.stateDir, "git", `input-${id}`);
  const repository = await GitClone.open({ directory, url, settings });
  const clone =
    (await repository.fetchTip(rev, signal)) ?? (await repository.fetchHistory(rev, signal));
  if (clone === undefined)
    throw failed("refused", `the repository of the input ${name} has no commit ${rev}`);
  return repository.addToStore(clone, rev, signal);
}

async function download(
  name: string,
  { url, hash }: { readonly url: string; readonly hash: string },
  settings: NixSettings,
  signal: AbortSignal,
): Promise<string> {
  const bare = bareUrl(url);
  if (bare.credentials !== undefined)
    throw failed("refused", `flake.lock has a password in the URL of the input ${name}`);
  const options = ["--unpack", "--print-path", "--name", "source", "--type", "sha256"];
  const result = await run("nix-prefetch-url", [...options, "--", bare.url, hash], {
    env: nixEnvironment(settings, { network: true }),
    signal,
    timeout: settings.nixTimeout * 1_000,
  });
  const path = result.stdout.trim().split("\n").at(-1) ?? "";
  if (result.exitCode === 0 && path.startsWith("/")) return path;
  if (result.stderr.some((line) => /hash mismatch/.test(line))) return "";
  throw failed(
    "error",
    `the input ${name} cannot be downloaded: ${whyFailed(result, settings.nixTimeout)}`,
    { log: result.stderr },
  );
}
