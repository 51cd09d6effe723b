/**
 * nixpkgs by channel (kind `channel`). A tag is the name of a channel, or a commit; `latest` is the
 * configured channel or commit. A channel's revision is fetched over HTTP. The source is the
 * archive of that commit, never the channel's own tarball, so that a revision always has the same
 * files.
 */
import { join } from "node:path";
import { LRUCache } from "lru-cache";
import { whyFailed } from "../error-message.ts";
import { failed } from "../failures.ts";
import { run } from "../run.ts";
import { nixEnvironment, type NixSettings } from "../settings.ts";
import { UnknownRevisionError } from "../types.ts";
import { type Abouts, channelAbout } from "./about.ts";
import { bareUrl, fetchWithCredentials, writeNetrc } from "./credentials.ts";
import type { Revisions } from "./revisions.ts";
import { isRevision, type Sources, unwatched } from "./source.ts";

/** Where channels are published. */
const DEFAULT_CHANNELS = "https://channels.nixos.org";
/** URL of the archive of a commit of nixpkgs; `{revision}` is replaced by the commit. */
const DEFAULT_ARCHIVE = "https://github.com/NixOS/nixpkgs/archive/{revision}.tar.gz";

/** Longest wait for a channel's revision, ms: a client waits for it. */
const REVISION_TIMEOUT = 30_000;
/** Longest download of a channel's list of packages, ms. */
const LIST_TIMEOUT = 120_000;
/** Lists kept: each takes some 20 MB. */
const MAX_LISTS = 2;
/** Most characters read of an answer: a revision is 40 digits and a newline. */
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

/** The sources of nixpkgs. Throws an Error when `archive` has no `{revision}`. */
export function channelSources({
  channel,
  settings,
  revisions,
  channels = DEFAULT_CHANNELS,
  archive = DEFAULT_ARCHIVE,
}: ChannelSetOptions): Sources {
  if (!archive.includes("{revision}"))
    throw new Error(
      `the URL of a commit's archive has no {revision} in it: ${bareUrl(archive).url}`,
    );
  /** Lists of packages by revision; fetched when a channel is found to be at the revision. */
  const lists = new LRUCache<string, Promise<Abouts | undefined>>({ max: MAX_LISTS });
  const listFor = (revision: string, name: string): void => {
    if (lists.has(revision)) return;
    const url = `${channels.replace(/\/+$/, "")}/${encodeURIComponent(name)}/packages.json.br`;
    const list = channelAbout(url, AbortSignal.timeout(LIST_TIMEOUT));
    // Descriptions are optional. After a failure the list is fetched when the channel is next asked
    // for its revision.
    lists.set(
      revision,
      list.catch(() => void lists.delete(revision)),
    );
  };
  return {
    async resolve(tag, signal) {
      const name = tag === "latest" ? channel : tag;
      if (isRevision(name)) return name;
      const revision = await channelRevision(channels, name, signal);
      listFor(revision, name);
      return revision;
    },
    async about(revision) {
      return lists.get(revision);
    },
    async source(revision, signal) {
      const path = await revisions.getOrFetch(revision, signal, () =>
        download(archive, revision, settings, signal),
      );
      return { path, importFromDerivation: false };
    },
    watch: unwatched,
  };
}

/** The commit that a channel is at now. */
async function channelRevision(
  channels: string,
  name: string,
  signal: AbortSignal,
): Promise<string> {
  const unknown = (): Error =>
    failed(
      "unknown",
      `there is no channel ${name}: tags are latest, the names of nixpkgs channels ` +
        `(nixos-unstable), and full commits of 40 hex digits`,
    );
  if (!NAME.test(name)) throw unknown();
  const url = `${channels.replace(/\/+$/, "")}/${encodeURIComponent(name)}/git-revision`;
  const { status, text } = await get(url, signal);
  if (status === 404 || status === 403) throw unknown();
  if (status !== 200)
    throw failed("error", `${new URL(url).host} answered HTTP ${status} for the channel ${name}`);
  const revision = text.trim();
  if (!isRevision(revision))
    throw failed("error", `${new URL(url).host} gave no commit for the channel ${name}`);
  return revision;
}

async function get(url: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
  try {
    const until = AbortSignal.any([signal, AbortSignal.timeout(REVISION_TIMEOUT)]);
    const response = await fetchWithCredentials(url, until);
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > MAX_ANSWER) break;
    }
    return { status: response.status, text };
  } catch (error) {
    signal.throwIfAborted();
    const { cause } = error as Error;
    throw failed(
      "error",
      `${new URL(url).host} cannot be reached: ` +
        `${(cause instanceof Error ? cause : (error as Error)).message}`,
    );
  }
}

/**
 * Adds the archive of a commit to the store; returns the store path. Nix downloads and unpacks it
 * atomically, without the archive's top directory.
 */
async function download(
  archive: string,
  revision: string,
  settings: NixSettings,
  signal: AbortSignal,
): Promise<string> {
  const bare = bareUrl(archive.replaceAll("{revision}", revision));
  const netrc = join(settings.stateDir, "netrc");
  if (bare.credentials !== undefined) writeNetrc(bare, netrc);
  const login = bare.credentials === undefined ? [] : ["--option", "netrc-file", netrc];
  const result = await run(
    "nix-prefetch-url",
    [...login, "--unpack", "--print-path", "--name", "source", "--", bare.url],
    {
      env: nixEnvironment(settings, { network: true }),
      signal,
      timeout: settings.nixTimeout * 1_000,
    },
  );
  const path = result.stdout.trim().split("\n").at(-1) ?? "";
  if (result.exitCode === 0 && path.startsWith("/")) return path;
  if (/HTTP error 404|response(?: code|): 404/.test(result.stderr.join(" ")))
    throw new UnknownRevisionError(revision, "set", `nixpkgs has no commit ${revision}`);
  throw failed(
    "error",
    `the archive of ${revision} cannot be downloaded: ${whyFailed(result, settings.nixTimeout)}`,
    { log: result.stderr },
  );
}
