/** The metrics of a farm: name, help text, type and samples of each. Pure. */
import { LANES, type RegionView } from "../contract/farm-state.ts";
import type { Family, Sample } from "./prometheus.ts";

interface Described extends Omit<Family, "samples"> {
  /** Samples of one region, without the label that names it. */
  readonly of: (region: RegionView) => readonly Sample[];
}

/**
 * The metrics of all regions. Of a farm that does not answer there is only firn_farm_up: its
 * counters have not gone back to 0.
 */
export function familiesOf(regions: readonly RegionView[]): Family[] {
  return DESCRIBED.map(({ of, ...family }) => ({
    ...family,
    samples: regions
      .filter(({ reachable }) => reachable || family.name === UP)
      .flatMap((region) =>
        of(region).map((sample) => ({
          ...sample,
          labels: { region: region.region, ...sample.labels },
        })),
      ),
  }));
}

const UP = "firn_farm_up";
const one = (value: number): Sample[] => [{ labels: {}, value }];
const byLane = (counts: RegionView["queued"]): Sample[] =>
  LANES.map((lane) => ({ labels: { lane }, value: counts[lane] }));

const DESCRIBED: readonly Described[] = [
  {
    name: UP,
    help: "1: the region's farm answers; 0: it does not",
    type: "gauge",
    of: ({ reachable }) => one(reachable ? 1 : 0),
  },
  {
    name: "firn_farm_origins",
    help: "Origins by state",
    type: "gauge",
    of: ({ origins }) =>
      Object.entries(origins.states).map(([state, value]) => ({ labels: { state }, value })),
  },
  {
    name: "firn_farm_slots",
    help: "Jobs that the origins in state connected can run at once, not counting tags",
    type: "gauge",
    of: ({ origins }) => one(origins.slots),
  },
  {
    name: "firn_farm_jobs",
    help: "Jobs that origins have",
    type: "gauge",
    of: ({ jobs }) => byLane(jobs),
  },
  {
    name: "firn_farm_items_queued",
    help: "Items that wait for an origin",
    type: "gauge",
    of: ({ queued }) => byLane(queued),
  },
  {
    name: "firn_farm_items_total",
    help: "Items that ended; result: done, or the reason for the failure",
    type: "counter",
    of: ({ tally }) =>
      tally.items.map(({ kind, result, count }) => ({ labels: { kind, result }, value: count })),
  },
  {
    name: "firn_farm_job_seconds",
    help: "Time from when an origin was given a job to its results",
    type: "summary",
    of: ({ tally }) =>
      LANES.flatMap((lane) => [
        { suffix: "_sum", labels: { lane }, value: tally.jobs[lane].seconds },
        { suffix: "_count", labels: { lane }, value: tally.jobs[lane].count },
      ]),
  },
  {
    name: "firn_farm_attempts_lost_total",
    help: "Items that an origin started and did not finish, through trouble of its own",
    type: "counter",
    of: ({ tally }) => one(tally.attemptsLost),
  },
  {
    name: "firn_farm_upload_bytes_today",
    help: "Bytes that origins were allowed to upload since 00:00 UTC",
    type: "gauge",
    of: ({ uploadedToday }) => one(uploadedToday),
  },
];
