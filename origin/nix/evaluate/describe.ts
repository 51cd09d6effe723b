/**
 * Asks a package set what names mean, in one evaluation for all names of a job. An error that Nix
 * can catch affects its own name alone. Any other (abort, a type error, infinite recursion, lack of
 * memory) ends the evaluation. Nix traces each name before it evaluates it, so the last one traced
 * is the cause, and the others are evaluated again without it:
 *
 *   [a b c d]   begins a, begins b, begins c, error …   c is refused, with this error
 *   [a b d]     three descriptions
 *
 * A name whose error was caught is evaluated once more by itself, for Nix's message.
 */
import * as v from "valibot";
import type { Failure } from "../../../edge/contract/items.ts";
import { failure } from "../failures.ts";
import { SaidEntries } from "../metadata.ts";
import { FailureError, RefusedSetError } from "../types.ts";
import { evaluate, type Evaluation, type Refusal } from "./restricted.ts";
import { warningOf } from "./warnings.ts";

const text = v.string();
export const FoundSchema = v.object({
  kind: v.literal("package"),
  name: text,
  attribute: text,
  drvPath: text,
  storePath: text,
  output: text,
  mainProgram: text,
  ...SaidEntries,
});
const AnswerSchema = v.variant("kind", [
  FoundSchema,
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
type Answer = v.InferOutput<typeof AnswerSchema>;

/** A package as the evaluation describes it (nix/packages.nix). */
export interface Found extends v.InferOutput<typeof FoundSchema> {
  /** The set's warning about the name (warnings.ts). */
  readonly warning?: string;
}
/** What a name means (nix/packages.nix). `refused`: it cannot be evaluated. */
export type Description =
  | Exclude<Answer, { kind: "throws" }>
  | { readonly kind: "refused"; readonly name: string; readonly refusal: Refusal };

/**
 * One description for each name, in order. Throws a FailureError when the set itself does not
 * evaluate, when the job has no time left, and when this machine is the cause.
 */
export async function describe(job: Evaluation, names: readonly string[]): Promise<Description[]> {
  const { answers, refused } = await ask(job, names);
  return Promise.all(
    names.map(async (name): Promise<Description> => {
      const answer = answers.get(name);
      if (answer !== undefined && answer.kind !== "throws") return answer;
      return { kind: "refused", name, refusal: refused.get(name) ?? (await reasonOf(job, name)) };
    }),
  );
}

/**
 * Attribute names of the set, or of the nested set at `path`, as Nix spells them. Throws a
 * RefusedSetError when the set does not evaluate, else as `describe`.
 */
export async function attributeNames(
  job: Evaluation,
  path: readonly string[] = [],
): Promise<string[]> {
  const result = await evaluate(job, "attributes.nix", { path: JSON.stringify(path) });
  if ("value" in result) return v.parse(v.array(text), result.value);
  const lasting = result.reason === "refused" && !result.log.some((line) => BUILDING.test(line));
  throw new RefusedSetError(setRefused(result), { reason: result.message, lasting });
}

/** Output of an evaluation that builds or downloads, for which it may have failed. */
const BUILDING = /will be (built|fetched)|^(building|error: .*build)|download/i;

/** Evaluates all names together, again and again without those that end the evaluation. */
async function ask(
  job: Evaluation,
  names: readonly string[],
): Promise<{ answers: Map<string, Answer | Found>; refused: Map<string, Refusal> }> {
  const refused = new Map<string, Refusal>();
  for (let open = names; ; open = open.filter((name) => !refused.has(name))) {
    const result = await packages(job, open);
    if ("value" in result) {
      const answers = v.parse(v.array(AnswerSchema), result.value);
      const described = answers.map((answer) => withWarning(answer, result.log));
      return { answers: new Map(described.map((answer) => [answer.name, answer])), refused };
    }
    const cause = open[result.begun ?? -1];
    if (cause === undefined) throw new FailureError(setRefused(result));
    refused.set(cause, result);
  }
}

function withWarning(answer: Answer, log: readonly string[]): Answer | Found {
  if (answer.kind !== "package") return answer;
  const warning = warningOf(answer.attribute, log);
  return warning === undefined ? answer : { ...answer, warning };
}

async function reasonOf(job: Evaluation, name: string): Promise<Refusal> {
  const result = await packages(job, [name], "false");
  if (!("value" in result)) return result;
  return { reason: "refused", message: "it evaluates only sometimes", log: [] };
}

const packages = (job: Evaluation, names: readonly string[], catchErrors = "true") =>
  evaluate(job, "packages.nix", { names: JSON.stringify(names), catch: catchErrors });

const setRefused = ({ reason, message, log }: Refusal): Failure =>
  failure(reason, `the package set does not evaluate: ${message}`, { log });
