/** Packages that failed to build lately, and why. */
import type { FailuresAnswer } from "../../contract/api.ts";
import { useAnswer } from "./api.ts";
import { ago } from "./format.ts";

interface FailuresProps {
  /** Most that are shown. */
  readonly most: number;
  /** How often the list is read again, milliseconds; 0: never. */
  readonly every?: number;
}

/** The list of failures, newest first; nothing when there are none. */
export function RecentFailures({ most, every = 0 }: FailuresProps) {
  const { answer } = useAnswer<FailuresAnswer>("/api/failures", { every });
  if (answer === null || answer.failures.length === 0) return null;
  const now = Date.now();
  return (
    <>
      <h2>Recent failures</h2>
      <ul class="jobs">
        {answer.failures.slice(0, most).map(({ at, name, system, message }) => (
          <li key={`${system} ${name}`}>
            <p class="name">{name}</p>
            <p class="reason">{message}</p>
            <p class="quiet">
              {ago(at, now)}
              {system !== null && ` · ${system}`}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}
