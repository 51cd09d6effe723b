/** How long an origin keeps a job if it sends nothing more. Pure. */
import type { Times } from "../limits.ts";
import type { Job, OriginState } from "./state.ts";

export interface Lease {
  readonly until: number;
  /** Why it ended, for the log. */
  readonly reason: string;
  /** Whether the origin itself was lost, perhaps because of the job: it had begun with it. */
  readonly lost: boolean;
}

/** The lease of a job that the origin holds; `origin` is undefined when it left. */
export function leaseOf(
  { origin: name, since, accepted }: Pick<Job, "origin" | "since" | "accepted">,
  origin: Pick<OriginState, "connected" | "seen"> | undefined,
  times: Times,
): Lease {
  if (origin === undefined) return { until: -Infinity, reason: `origin ${name} left`, lost: false };
  const ends: Lease[] = [
    origin.connected
      ? { until: origin.seen + times.lease, reason: `origin ${name} fell silent`, lost: accepted }
      : {
          until: origin.seen + times.reconnect,
          reason: `the connection to origin ${name} was lost`,
          lost: accepted,
        },
    { until: since + times.job, reason: `origin ${name} took too long`, lost: false },
  ];
  if (!accepted && origin.connected)
    ends.push({
      until: since + times.accept,
      reason: `origin ${name} did not accept the job`,
      lost: false,
    });
  return ends.reduce((first, end) => (end.until < first.until ? end : first));
}
