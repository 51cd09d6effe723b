/** Opens the sources of a package set of any kind. */
import type { Logger } from "pino";
import type { PackageSetSpec } from "../../../edge/contract/package-set.ts";
import type { System } from "../../../edge/contract/records.ts";
import { prepareStarter } from "../../starter/index.ts";
import type { NixSettings } from "../settings.ts";
import { channelSources } from "./channel.ts";
import { flakeSources } from "./flake.ts";
import { gitSources } from "./git.ts";
import { pathSources } from "./path.ts";
import { Revisions } from "./revisions.ts";
import type { Sources } from "./source.ts";
import { starterSources } from "./starter.ts";

export interface SourcesOptions {
  /** Systems that the starter set is made for. */
  readonly systems: readonly System[];
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  /** Base URL of the channels, see channel.ts. */
  readonly channels?: string | undefined;
  /** URL of the archive of a commit of nixpkgs, with `{revision}` in it. */
  readonly archive?: string | undefined;
}

/** Opens the sources of a package set. Throws an Error when it is wrong (no such directory). */
export async function openSources(
  spec: PackageSetSpec,
  settings: NixSettings,
  options: SourcesOptions,
): Promise<Sources> {
  const { systems, logger, channels, archive } = options;
  const revisions = new Revisions(settings, spec.id);
  const onError = (error: unknown): void =>
    logger.error({ err: error }, "the package set cannot be watched for changes");
  switch (spec.kind) {
    case "channel":
      return channelSources({ channel: spec.channel, settings, revisions, channels, archive });
    case "git":
      return gitSources({ id: spec.id, url: spec.url, settings, revisions });
    case "path":
      return pathSources({ directory: spec.dir, settings, revisions, onError });
    case "flake": {
      const files = await openSources(spec.files, settings, options);
      return flakeSources({
        files,
        isGit: spec.files.kind === "git",
        subdirectory: spec.subdirectory,
        settings,
        revisions,
      });
    }
    case "starter": {
      const prepare = () =>
        prepareStarter({ stateDir: settings.stateDir, systems, log: (line) => logger.info(line) });
      return starterSources({ settings, revisions, prepare, onError });
    }
  }
}
