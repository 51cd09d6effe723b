/**
 * Asks a package set what names mean: one evaluation for all names. An error that Nix cannot catch
 * (abort, a type error, endless recursion) ends the whole evaluation, so the names are halved until
 * the one that causes it stands alone:
 *
 *   [a b c d] fails → [a b] succeeds, [c d] fails → [c] fails: refused, [d] succeeds
 *
 * One more evaluation for each refused name gives Nix's reason.
 */
import * as v from "valibot";
import { failed } from "../failures.ts";
import { evaluate, type Evaluation } from "./restricted.ts";

const text = v.string();
const FoundSchema = v.object({
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
export type Found = v.InferOutput<typeof FoundSchema>;
/** What a name means (nix/packages.nix); `refused`: Nix does not evaluate it, and says why. */
export type Description =
  | Exclude<Answer, { kind: "throws" }>
  | { readonly kind: "refused"; readonly name: string; readonly reason: string };

/**
 * One description for each name, in order. Throws a FailureError when the set itself does not
 * evaluate, on a timeout and on trouble of the machine.
 */
export async function describe(job: Evaluation, names: readonly string[]): Promise<Description[]> {
  const answers = await ask(job, names);
  return Promise.all(
    answers.map(async (answer) =>
      answer.kind === "throws"
        ? { kind: "refused", name: answer.name, reason: await reasonOf(job, answer.name) }
        : answer,
    ),
  );
}

/** Attribute names of the set, or of the nested set at `path`, as Nix spells them. */
export async function attributeNames(
  job: Evaluation,
  path: readonly string[] = [],
): Promise<string[]> {
  const result = await evaluate(job, "attributes.nix", { path: JSON.stringify(path) });
  if ("refused" in result) throw setRefused(result);
  return v.parse(v.array(text), result.value);
}

/** `setEvaluates`: the set is known to evaluate, so an error is a name's. */
async function ask(
  job: Evaluation,
  names: readonly string[],
  setEvaluates = false,
): Promise<Answer[]> {
  const result = await packages(job, names);
  if ("value" in result) return v.parse(v.array(AnswerSchema), result.value);
  if (!setEvaluates) {
    const set = await packages(job, []);
    if ("refused" in set) throw setRefused(set);
  }
  const [only] = names;
  if (names.length <= 1) return only === undefined ? [] : [{ kind: "throws", name: only }];
  const middle = Math.ceil(names.length / 2);
  return [
    ...(await ask(job, names.slice(0, middle), true)),
    ...(await ask(job, names.slice(middle), true)),
  ];
}

async function reasonOf(job: Evaluation, name: string): Promise<string> {
  const result = await packages(job, [name], "false");
  return "refused" in result ? result.refused : "it evaluates only sometimes";
}

const packages = (job: Evaluation, names: readonly string[], catchErrors = "true") =>
  evaluate(job, "packages.nix", { names: JSON.stringify(names), catch: catchErrors });

const setRefused = ({ refused, log }: { refused: string; log: readonly string[] }): Error =>
  failed("refused", `the package set does not evaluate: ${refused}`, { log });
