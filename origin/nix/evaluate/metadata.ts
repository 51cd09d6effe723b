/**
 * Asks a package set for metadata of store paths by name and version (nix/metadata.nix), since a
 * store path does not tell its attribute.
 */
import * as v from "valibot";
import type { Metadata } from "../../../edge/contract/closure.ts";
import { metadataOf, SaidEntries } from "../metadata.ts";
import { type Evaluation, evaluate } from "./restricted.ts";

/** Longest list of names, characters of JSON: one argument of a program has 128 KiB. */
const MAX_NAMES_LENGTH = 100_000;
/** Names that may end the evaluation; after each, the others are evaluated again. */
const MAX_CULPRITS = 3;

const AnswerSchema = v.array(v.object({ name: v.string(), ...SaidEntries }));

/**
 * What the set says of these names of store paths (`curl-8.11.0-bin`), where it has a package of
 * that name and version. A name that ends the evaluation is left out, and when several do, all are.
 * Throws as `evaluate`.
 */
export async function metadataByName(
  job: Evaluation,
  names: readonly string[],
): Promise<Map<string, Metadata>> {
  let open = fitting(names);
  for (let left = MAX_CULPRITS; open.length > 0; left -= 1) {
    const result = await evaluate(job, "metadata.nix", { names: JSON.stringify(open) });
    if ("value" in result) {
      const answers = v.parse(AnswerSchema, result.value);
      return new Map(answers.map(({ name, ...said }) => [name, metadataOf(said)]));
    }
    const culprit = open[result.begun ?? -1];
    if (culprit === undefined || left === 0) break;
    open = open.filter((name) => name !== culprit);
  }
  return new Map();
}

/** As many of the names as fit into one argument. */
function fitting(names: readonly string[]): string[] {
  let length = 2;
  return names.filter((name) => (length += name.length + 3) <= MAX_NAMES_LENGTH);
}
