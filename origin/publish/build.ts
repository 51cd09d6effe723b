/** The packages of a job, built, and the base of every image with them. */
import type { Failure, PackageItem } from "../../edge/contract/items.ts";
import type { Scope } from "../../edge/contract/keys.ts";
import { BASE_PACKAGES } from "../../edge/contract/names.ts";
import { LogTail } from "../nix/log.ts";
import type { BuiltPackage } from "../nix/types.ts";
import { MAX_MESSAGE, type PublishContext } from "./context.ts";

interface Built {
  readonly built: readonly BuiltPackage[];
  /** Store paths of the packages of every image. */
  readonly base: readonly string[];
  readonly failures: ReadonlyMap<string, Failure>;
}

/**
 * What builds, and why the rest does not, with the job's whole log as a blob. The packages of every
 * image are built with any other: their closures are its base. Where they are built already this
 * asks neither Nix nor the evaluation, and keeps them from the garbage collector as the job's own.
 */
export async function build(
  { revision, system }: Scope,
  items: readonly PackageItem[],
  { packageSet, layers, signal, settled, trace, log }: PublishContext,
): Promise<Built> {
  const tail = new LogTail();
  const asked = new Set(items.map((item) => item.name));
  const names = [...new Set([...asked, ...BASE_PACKAGES])];
  log(`evaluating ${[...asked].join(", ")}`);
  const outcomes = await packageSet.build(
    { revision, system, names },
    {
      signal,
      settled,
      trace,
      log(line) {
        tail.add(line);
        log(line);
      },
    },
  );
  const built: BuiltPackage[] = [];
  const failures = new Map<string, Failure>();
  for (const outcome of outcomes)
    if (outcome.kind === "built") built.push(outcome.package);
    else failures.set(outcome.name, outcome.failure);
  if (!tail.empty && [...failures.values()].some(hasLog)) {
    // A person can read more than the last lines.
    const logBlob = await layers.log(tail.text());
    for (const [name, failure] of failures)
      if (hasLog(failure)) failures.set(name, { ...failure, logBlob });
  }
  const base = built.flatMap(({ name, storePath }) =>
    BASE_PACKAGES.includes(name) ? storePath : [],
  );
  if (base.length < BASE_PACKAGES.length) failWithBase(asked, failures);
  return {
    built: built.filter(({ name }) => asked.has(name) && !failures.has(name)),
    base,
    failures,
  };
}

/** Without its base no image can be made, so nothing else of the job is of use. */
function failWithBase(asked: ReadonlySet<string>, failures: Map<string, Failure>): void {
  const [name, cause] =
    BASE_PACKAGES.flatMap((name) => {
      const failure = failures.get(name);
      return failure === undefined ? [] : [[name, failure] as const];
    })[0] ?? [];
  const failure: Failure = cause ?? { reason: "error", message: "the build gave no answer for it" };
  const message =
    `${name ?? BASE_PACKAGES.join(" or ")}, which is in every image, cannot be ` +
    `had: ${failure.message}`;
  for (const other of asked)
    if (!failures.has(other))
      failures.set(other, { ...failure, message: message.slice(0, MAX_MESSAGE) });
}

const hasLog = ({ reason }: Failure): boolean => reason === "failed" || reason === "timeout";
