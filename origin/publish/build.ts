/** Builds the packages of a job, and the packages of every image. */
import type { Failure, PackageItem } from "../../edge/contract/items.ts";
import type { Scope } from "../../edge/contract/keys.ts";
import { BASE_PACKAGES } from "../../edge/contract/names.ts";
import { LogTail } from "../nix/log.ts";
import type { BuiltPackage } from "../nix/types.ts";
import { MAX_MESSAGE, type PublishContext } from "./context.ts";

interface Built {
  readonly built: readonly BuiltPackage[];
  /** Store paths of the packages that every image has. */
  readonly base: readonly string[];
  readonly failures: ReadonlyMap<string, Failure>;
}

/**
 * Builds the packages; a failure has the job's whole log as a blob. The packages of every image are
 * built as well, since their closures are the base. When they are built already, that needs neither
 * evaluation nor Nix, but the job holds their roots.
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

/** Without the base no package can be published: all of them get its failure. */
function failWithBase(asked: ReadonlySet<string>, failures: Map<string, Failure>): void {
  const [name, cause] =
    BASE_PACKAGES.flatMap((name) => {
      const failure = failures.get(name);
      return failure === undefined ? [] : [[name, failure] as const];
    })[0] ?? [];
  const failure: Failure = cause ?? { reason: "error", message: "the build gave no answer for it" };
  const message =
    `${name ?? BASE_PACKAGES.join(" or ")}, which is in every image, cannot be ` +
    `built: ${failure.message}`;
  for (const other of asked)
    if (!failures.has(other))
      failures.set(other, { ...failure, message: message.slice(0, MAX_MESSAGE) });
}

const hasLog = ({ reason }: Failure): boolean => reason === "failed" || reason === "timeout";
