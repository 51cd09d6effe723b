/** The latest jobs of the farm: what they made, or why it failed. */
import type { FarmView } from "../../../contract/farm-state.ts";
import { ago, duration } from "../format.ts";
import { WORLD } from "./world.ts";

type Job = FarmView["builds"][number];

interface JobsProps {
  readonly jobs: readonly Job[];
  readonly now: number;
  readonly empty: string;
}

/** Most jobs that are shown. */
const SHOWN = 15;

/** `empty`: shown when there are none. */
export function JobList({ jobs, now, empty }: JobsProps) {
  if (jobs.length === 0) return <p class="quiet">{empty}</p>;
  return (
    <ul class="jobs">
      {jobs.slice(0, SHOWN).map(({ at, origin, region, seconds, items }) => (
        <li key={`${at} ${origin} ${items[0]?.name}`}>
          <p>
            <span class="name">{items.map(itemText).join(", ")}</span>
          </p>
          {items.some(({ message }) => message !== "") && (
            <p class="reason">{items.find(({ message }) => message !== "")?.message}</p>
          )}
          <p class="quiet">
            {[
              ago(at, now),
              origin ?? "no origin had it",
              region === WORLD ? null : region,
              seconds === null ? null : duration(seconds),
            ]
              .filter(Boolean)
              .join(" · ")}
          </p>
        </li>
      ))}
    </ul>
  );
}

function itemText({ kind, name, result }: Job["items"][number]): string {
  const what =
    kind === "tag" ? `tag ${name}` : kind === "index" ? `names${name && ` of ${name}`}` : name;
  return result === "done" ? what : `${what} (${result})`;
}
