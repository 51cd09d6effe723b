/** `firn build`: makes an image with this machine's Nix and writes it to a file or directory. */
import { pino } from "pino";
import {
  InvalidName,
  type ImageRequest,
  parseImageName,
  splitImageName,
} from "../../edge/contract/names.ts";
import type { System } from "../../edge/contract/records.ts";
import { type BuilderOptions, type MadeImage, openBuilder } from "../image/open.ts";
import { fetchedBytes } from "../image/oci-image.ts";
import { writeImage } from "../image/output.ts";
import type { Output } from "../image/output-form.ts";
import { PackagesFailed } from "../image/make-image.ts";
import { FailureError } from "../nix/types.ts";
import { size } from "../operator/table.ts";
import { stopSignal } from "../stop-signal.ts";
import { askAliases } from "./aliases.ts";
import { CommandFailed } from "./exit-codes.ts";
import { openProgress, type Progress } from "./progress.ts";
import { nameAndReference, type Work } from "./remote.ts";

export interface BuildOptions extends BuilderOptions {
  readonly output: Output;
  /** The registry that is asked about aliases. */
  readonly edge: URL;
  readonly systems: readonly System[] | undefined;
  readonly json: boolean;
  /** Whether to write Nix's output to standard error. */
  readonly verbose: boolean;
}

/** An image name with its tag: `shell/git:latest`. */
export interface Wanted {
  readonly request: ImageRequest;
  readonly tag: string;
}

/**
 * Parses `NAME[:TAG]`, asking `edge` about its aliases. Throws a CommandFailed that says what is
 * wrong with it.
 */
export async function wantedImage(text: string, edge: URL, work: Work): Promise<Wanted> {
  const { name, reference: tag } = nameAndReference(text);
  if (tag.startsWith("sha256:"))
    throw new CommandFailed("usage", "an image is made from its tag, not from a digest");
  try {
    const aliases = await askAliases(edge, splitImageName(name), work);
    return { request: parseImageName(name, aliases), tag };
  } catch (error) {
    if (error instanceof InvalidName) throw new CommandFailed("usage", error.message);
    throw error;
  }
}

/** Last lines of a build's log that an error shows. */
const LOG_LINES = 20;

/** Makes and writes an image; prints its digest, or with `json` a description. */
export async function build(text: string, options: BuildOptions): Promise<void> {
  const toStdout = options.output.kind === "stdout";
  if (toStdout && options.json)
    throw new CommandFailed("usage", "--json and --output - both write to standard output");
  if (toStdout && process.stdout.isTTY)
    throw new CommandFailed(
      "usage",
      "--output - writes an archive, which a terminal cannot show: pipe it to `docker load`",
    );
  const progress = openProgress();
  try {
    const work = { progress, signal: stopSignal() };
    const { request, tag } = await wantedImage(text, options.edge, work);
    const made = await makeHere({ request, tag }, options, work);
    progress.step("writing");
    const { image } = made;
    const total = image.blobs.reduce((sum, blob) => sum + blob.size, 0);
    let written = 0;
    await writeImage(image, options.output, { name: request.name, tag }, (bytes) => {
      written += bytes;
      progress.bytes(written, total);
    });
    progress.end();
    if (options.json) process.stdout.write(`${JSON.stringify(described(request, tag, made))}\n`);
    else {
      for (const line of summary(request, tag, made)) process.stderr.write(`${line}\n`);
      if (!toStdout) process.stdout.write(`${image.root.digest}\n`);
    }
  } finally {
    progress.end();
  }
}

/** Makes the image on this machine. Throws a CommandFailed for what a person should know. */
export async function makeHere(
  { request, tag }: Wanted,
  options: Omit<BuildOptions, "output" | "json" | "edge">,
  { progress, signal }: Work,
): Promise<MadeImage> {
  const logger = pino({ base: null, level: "info" }, { write: (line) => tellLine(line, progress) });
  try {
    const builder = await openBuilder(
      options,
      {
        step: (step) => progress.step(step),
        nixLine: (line) => (options.verbose ? progress.note(line) : progress.detail(line)),
        packed: (done, total) => progress.bytes(done, total),
        note: (line) => progress.note(line),
      },
      { logger, signal },
    );
    try {
      return await builder.make(request, { tag, systems: systemsOf(request, options.systems) });
    } finally {
      await builder.close();
    }
  } catch (error) {
    throw forPerson(error);
  }
}

/** The systems of `--platform`. Throws a CommandFailed when the name pins another one. */
function systemsOf(
  { name, pinned }: ImageRequest,
  systems: readonly System[] | undefined,
): readonly System[] | undefined {
  if (pinned === undefined || systems === undefined) return systems;
  if (systems.length === 1 && systems[0] === pinned) return systems;
  throw new CommandFailed(
    "usage",
    `the name ${name} already pins the platform: leave out --platform`,
  );
}

/** Shows a line of the log: warnings and errors for good, the rest as progress. */
function tellLine(line: string, progress: Progress): void {
  const { level, msg, err, reason } = JSON.parse(line) as {
    readonly level: number;
    readonly msg: string;
    readonly reason?: string;
    readonly err?: { readonly message: string };
  };
  const cause = err?.message ?? reason;
  const text = cause === undefined ? msg : `${msg}: ${cause}`;
  if (level >= pino.levels.values["warn"]!) progress.note(text);
  else progress.detail(text);
}

function forPerson(error: unknown): unknown {
  if (error instanceof PackagesFailed) {
    const logs = [...error.failures.values()].flatMap(({ log = [] }) => log.slice(-LOG_LINES));
    const lines = [error.message, ...nearestNames(error), ...new Set(logs)];
    return new CommandFailed(error.unknown ? "unknown" : "failed", lines.join("\n"));
  }
  if (error instanceof FailureError)
    return new CommandFailed(
      error.failure.reason === "unknown" || error.failure.reason === "unknown-revision"
        ? "unknown"
        : "failed",
      error.message,
    );
  if (error instanceof InvalidName) return new CommandFailed("usage", error.message);
  return error;
}

function nearestNames({ failures }: PackagesFailed): string[] {
  const names = new Set([...failures.values()].flatMap(({ nearest = [] }) => nearest));
  return names.size === 0 ? [] : [`the nearest names are ${[...names].join(", ")}`];
}

function summary({ name }: ImageRequest, tag: string, { image, revision }: MadeImage): string[] {
  return [
    `${name}:${tag} at revision ${revision}`,
    ...image.platforms.map(
      (one) =>
        `  ${one.platform}  ${one.layers.length} layers, ${size(fetchedBytes(one))} compressed`,
    ),
  ];
}

function described({ name }: ImageRequest, tag: string, made: MadeImage) {
  const { image, revision, packageSet, plan } = made;
  return {
    name,
    tag,
    ...image.root,
    packageSet,
    revision,
    plan,
    platforms: image.platforms.map(({ platform, manifest, config, layers }) => ({
      platform,
      manifest: manifest.digest,
      config: config.digest,
      layers,
    })),
  };
}
