/**
 * Objects whose keys are names that people chose, of accounts, origins, packages or inputs.
 *
 * valibot's `record` leaves out the keys `constructor`, `prototype` and `__proto__` without a word,
 * and the first two are names that any of these may have. `byName` keeps every key that its schema
 * takes. Who looks a name up in what it returns asks with Object.hasOwn: every object has a
 * `constructor`.
 */
import * as v from "valibot";

/** As v.record. The path of an issue has the name, so it reads `ci.password`. */
export const byName = <Value>(
  nameSchema: v.GenericSchema<string>,
  valueSchema: v.GenericSchema<unknown, Value>,
) =>
  v.pipe(
    v.custom<Record<string, unknown>>(isObject, "must be an object"),
    v.rawTransform(({ dataset: { value: input }, addIssue, NEVER }): Record<string, Value> => {
      const found: (readonly [string, Value])[] = [];
      let isWrong = false;
      for (const [key, value] of Object.entries(input)) {
        const name = v.safeParse(nameSchema, key);
        const parsed = v.safeParse(valueSchema, value);
        for (const { message, path = [] } of [...(name.issues ?? []), ...(parsed.issues ?? [])]) {
          const at = { type: "object", origin: "value", input, key, value } as const;
          addIssue({ message, path: [at, ...path] });
          isWrong = true;
        }
        if (parsed.success) found.push([key, parsed.output]);
      }
      return isWrong ? NEVER : Object.fromEntries(found);
    }),
  );

const isObject = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);
