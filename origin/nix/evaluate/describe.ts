/**
 * Asks a package set what names mean: one evaluation for all of them, and only where that one
 * cannot say why, one more for each name that refuses. Evaluations are restricted (Nix's
 * restrict-eval: they read the set and Firn's own Nix files, nothing else of the machine) and have
 * an empty environment.
 */
import { availableParallelism } from "node:os";
import pLimit from "p-limit";
import * as v from "valibot";
import type { System } from "../../../edge/contract/records.ts";
import { failed } from "../failures.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import { run, type RunResult } from "../run.ts";
import { emptyHome, NIX_DIR, nixEnvironment, type NixSettings } from "../settings.ts";

/** A package set in the store, ready to be imported. */
export interface Source {
  /** Store path of the directory. */
  readonly path: string;
  /**
   * Whether evaluating may build (import from derivation). nixpkgs needs none and Hydra forbids it;
   * private repositories use it.
   */
  readonly importFromDerivation: boolean;
}

const text = v.string();
const DescriptionSchema = v.variant("kind", [
  v.object({
    kind: v.literal("package"),
    name: text,
    attribute: text,
    drvPath: text,
    storePath: text,
    output: text,
    pname: text,
    version: text,
    description: text,
    mainProgram: text,
  }),
  v.object({
    kind: v.literal("missing"),
    name: text,
    missing: text,
    path: v.array(text),
    type: text,
  }),
  v.object({ kind: v.literal("other"), name: text, type: text }),
  v.object({ kind: v.literal("foreign"), name: text, system: text }),
  v.object({ kind: v.literal("throws"), name: text }),
]);
type Raw = v.InferOutput<typeof DescriptionSchema>;
export type Found = Extract<Raw, { kind: "package" }>;
/** What a name means (nix/packages.nix); `refused`: Nix will not evaluate it, in Nix's words. */
export type Description =
  | Exclude<Raw, { kind: "throws" }>
  | { readonly kind: "refused"; readonly name: string; readonly reason: string };

/**
 * Evaluations that run at once, over all jobs: each of nixpkgs takes about 1 s of a core and 500
 * MB.
 */
const atOnce = pLimit(Math.max(2, availableParallelism()));

export interface Evaluation {
  readonly settings: NixSettings;
  readonly source: Source;
  readonly system: System;
  readonly signal?: AbortSignal | undefined;
  /** Takes Nix's output: warnings, and the builds of an evaluation that builds. */
  readonly log?: ((line: string) => void) | undefined;
  /** Time left for the job, ms. */
  readonly timeLeft: () => number;
  /**
   * Whether the derivations are written to the store. That is half of what an evaluation costs (the
   * 250 derivations of a shell: 110 ms of CPU instead of 60), and of no use when everything is
   * built; but what builds while it evaluates needs it.
   */
  readonly write: boolean;
}

/**
 * One description per name, in order. Throws a FailureError on a timeout and on trouble of the
 * machine.
 */
export async function describe(job: Evaluation, names: readonly string[]): Promise<Description[]> {
  const found = await descend(job, names);
  return Promise.all(
    found.map((description) =>
      description.kind === "throws" ? alone(job, description.name) : description,
    ),
  );
}

/** Attribute names of the set, or of the nested set at `path`, as Nix spells them. */
export async function attributeNames(
  job: Evaluation,
  path: readonly string[] = [],
): Promise<string[]> {
  const result = await evaluate(job, "attributes.nix", { path: JSON.stringify(path) });
  if (result.exitCode !== 0)
    throw failed("refused", `the package set does not evaluate: ${reasonOf(result)}`, {
      log: result.stderr,
    });
  return v.parse(v.array(text), JSON.parse(result.stdout));
}

/**
 * What tryEval catches is an answer already. What it does not (abort, a type error, endless
 * recursion) ends the whole evaluation: halve the names to find whose it is. `loads`: the set
 * itself is known to evaluate, so that the trouble is a name's.
 */
async function descend(job: Evaluation, names: readonly string[], loads = false): Promise<Raw[]> {
  const found = await packages(job, names);
  if (found !== null) return found;
  if (!loads) {
    const set = await evaluate(job, "packages.nix", { names: "[]", catch: "true" });
    if (set.exitCode !== 0)
      throw failed("refused", `the package set does not evaluate: ${reasonOf(set)}`, {
        log: set.stderr,
      });
  }
  const [only] = names;
  if (names.length <= 1) return only === undefined ? [] : [{ kind: "throws", name: only }];
  const middle = Math.ceil(names.length / 2);
  return [
    ...(await descend(job, names.slice(0, middle), true)),
    ...(await descend(job, names.slice(middle), true)),
  ];
}

async function packages(job: Evaluation, names: readonly string[]): Promise<Raw[] | null> {
  const result = await evaluate(job, "packages.nix", {
    names: JSON.stringify(names),
    catch: "true",
  });
  return result.exitCode === 0
    ? v.parse(v.array(DescriptionSchema), JSON.parse(result.stdout))
    : null;
}

async function alone(job: Evaluation, name: string): Promise<Description> {
  const result = await evaluate(job, "packages.nix", {
    names: JSON.stringify([name]),
    catch: "false",
  });
  return {
    kind: "refused",
    name,
    reason: result.exitCode === 0 ? "its evaluation fails now and then" : reasonOf(result),
  };
}

const reasonOf = (result: RunResult): string =>
  errorLine(result.stderr) ?? result.stderr.at(-1) ?? "Nix gave no reason";

async function evaluate(
  { settings, source, system, signal, log, timeLeft, write }: Evaluation,
  file: string,
  args: Readonly<Record<string, string>>,
): Promise<RunResult> {
  const options: Record<string, string> = {
    "restrict-eval": "true",
    "allowed-uris": (settings.allowedUris ?? []).join(" "),
    "allow-import-from-derivation": String(source.importFromDerivation),
  };
  const result = await atOnce(() =>
    run(
      "nix-instantiate",
      [
        "--eval",
        "--strict",
        "--json",
        ...(write ? ["--read-write-mode"] : []),
        ...Object.entries(options).flatMap(([name, value]) => ["--option", name, value]),
        "-I",
        `firn=${NIX_DIR}`,
        "-I",
        `set=${source.path}`,
        ...Object.entries({ source: source.path, system, ...args }).flatMap(([name, value]) => [
          "--argstr",
          name,
          value,
        ]),
        `<firn/${file}>`,
      ],
      {
        env: nixEnvironment({ ...settings, home: emptyHome(settings.stateDir) }),
        signal,
        timeout: Math.max(timeLeft(), 1),
        onLine: log,
      },
    ),
  );
  if (result.timedOut)
    throw failed(
      "timeout",
      `evaluating took longer than ${settings.nixTimeout} s, the limit of this origin (NIX_TIMEOUT)`,
      { log: result.stderr },
    );
  if (result.exitCode === null)
    throw failed("error", `Nix was ended by ${result.signalName ?? "a signal"} while evaluating`, {
      log: result.stderr,
    });
  const trouble = result.exitCode === 0 ? null : machineTrouble(errorLine(result.stderr) ?? "");
  if (trouble !== null)
    throw failed("error", `evaluating failed: ${trouble}`, { log: result.stderr });
  return result;
}
