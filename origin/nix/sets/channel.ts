/**
 * nixpkgs by channel (kind `channel`). A tag is the name of a channel, or a commit; `latest` is the
 * channel (or commit) configured. A channel's revision is asked for over HTTP; the source is always
 * the archive of that commit, never the channel's own tarball, so that a revision means the same
 * files however it was found.
 */
import pLimit from "p-limit";
import { type Backend, REVISION, unwatched } from "./source.ts";
import { failed } from "../failures.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import type { Revisions } from "./revisions.ts";
import { run } from "../run.ts";
import { downloadEnvironment, emptyHome, type NixSettings } from "../settings.ts";
import { UnknownRevisionError } from "../types.ts";

/** Where channels are published (Nixery reads the same). */
export const DEFAULT_CHANNELS = "https://channels.nixos.org";
/** Where the archive of a commit of nixpkgs is; `{revision}` stands for the commit. */
export const DEFAULT_ARCHIVE = "https://github.com/NixOS/nixpkgs/archive/{revision}.tar.gz";

/** Longest wait for a channel's revision, ms: somebody waits for the answer. */
const REVISION_TIMEOUT = 30_000;
/** A revision is 40 digits and a newline; more than this is something else, bytes. */
const MAX_ANSWER = 1_000;
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/;

export interface ChannelSetOptions {
  /** What `latest` means: a channel's name or a commit. */
  readonly channel: string;
  readonly settings: NixSettings;
  readonly revisions: Revisions;
  /** Base URL of the channels. */
  readonly channels?: string | undefined;
  /** URL of a commit's archive, with `{revision}` in it. */
  readonly archive?: string | undefined;
}

export function channelBackend({
  channel,
  settings,
  revisions,
  channels = DEFAULT_CHANNELS,
  archive = DEFAULT_ARCHIVE,
}: ChannelSetOptions): Backend {
  if (!archive.includes("{revision}"))
    throw new Error(`the URL of a commit's archive has no {revision} in it: ${archive}`);
  // Two downloads of one archive would be one too many.
  const alone = pLimit(1);

  const resolve = async (tag: string, signal: AbortSignal): Promise<string> => {
    const name = tag === "latest" ? channel : tag;
    if (REVISION.test(name)) return name;
    if (!NAME.test(name)) throw failed("unknown", noChannel(name));
    const url = `${channels.replace(/\/+$/, "")}/${encodeURIComponent(name)}/git-revision`;
    const { status, text } = await get(url, signal);
    if (status === 404 || status === 403) throw failed("unknown", noChannel(name));
    if (status !== 200)
      throw failed("error", `the channel ${name} cannot be asked for: HTTP ${status}`);
    const revision = text.trim();
    if (!REVISION.test(revision))
      throw failed("error", `the channel ${name} answered something that is no commit`);
    return revision;
  };

  const ensure = (revision: string, signal: AbortSignal): Promise<string> =>
    alone(async () => {
      const known = revisions.get(revision);
      if (known !== undefined) return known;
      const path = await unpack(
        archive.replaceAll("{revision}", revision),
        revision,
        settings,
        signal,
      );
      await revisions.set(revision, path, signal);
      return path;
    });

  return {
    resolve,
    source: async (revision, signal) => ({
      path: await ensure(revision, signal),
      importFromDerivation: false,
    }),
    watch: unwatched,
  };
}

const noChannel = (name: string): string =>
  `there is no channel ${name}: tags here are latest, the names of nixpkgs channels (nixos-unstable), and full commits of 40 hex digits`;

async function get(url: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(REVISION_TIMEOUT)]),
    });
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > MAX_ANSWER) break;
    }
    return { status: response.status, text };
  } catch (error) {
    signal.throwIfAborted();
    const cause =
      error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
    throw failed("error", `${new URL(url).host} cannot be reached: ${cause.message}`);
  }
}

/**
 * Downloads and unpacks into the store: Nix does both, atomically, without the archive's top
 * directory.
 */
async function unpack(
  url: string,
  revision: string,
  settings: NixSettings,
  signal: AbortSignal,
): Promise<string> {
  const env = downloadEnvironment({ ...settings, home: emptyHome(settings.stateDir) });
  const result = await run(
    "nix-prefetch-url",
    ["--unpack", "--print-path", "--name", "source", "--", url],
    { env, signal, timeout: settings.nixTimeout * 1_000 },
  );
  const path = result.stdout.trim().split("\n").at(-1) ?? "";
  if (result.exitCode === 0 && path.startsWith("/")) return path;
  const line = result.timedOut
    ? `it took longer than ${settings.nixTimeout} s`
    : (errorLine(result.stderr) ?? result.stderr.at(-1) ?? "Nix gave no reason");
  if (/HTTP error 404|response(?: code|): 404/.test(result.stderr.join(" ")))
    throw new UnknownRevisionError(revision, "set", `nixpkgs has no commit ${revision}`);
  throw failed(
    "error",
    `the archive of ${revision} cannot be had: ${machineTrouble(line) ?? line}`,
    { log: result.stderr },
  );
}
