/** What operators see of the farm: every origin, and its latest jobs. */
import type { FarmView, RegionView } from "../../../contract/farm-state.ts";
import { isSignedIn, signOut } from "../api.ts";
import { Fact } from "../fact.tsx";
import { bytes, duration } from "../format.ts";
import { JobList } from "./job-list.tsx";
import { OriginCard } from "./origin-card.tsx";

/** The state of the whole farm. */
export function OperatorView({ view }: { readonly view: FarmView }) {
  return (
    <>
      <Numbers regions={view.regions} />
      <h2>Origins</h2>
      <ul class="origins">
        {view.origins.map((origin) => (
          <OriginCard key={origin.name} origin={origin} now={view.at} />
        ))}
      </ul>
      <h2>Recent builds</h2>
      <JobList jobs={view.builds} now={view.at} empty="Nothing has been built yet." />
      <h2>Recent failures</h2>
      <JobList jobs={view.failures} now={view.at} empty="Nothing failed." />
      {isSignedIn() && (
        <p>
          <button type="button" class="secondary" onClick={signOut}>
            Sign out
          </button>
        </p>
      )}
    </>
  );
}

/** What all farms together have done since they were made, and uploaded today. */
function Numbers({ regions }: Pick<FarmView, "regions">) {
  const sum = (of: (region: RegionView) => number): number =>
    regions.reduce((total, region) => total + of(region), 0);
  const built = sum(({ tally }) =>
    tally.items
      .filter(({ kind, result }) => kind === "package" && result === "done")
      .reduce((total, { count }) => total + count, 0),
  );
  const jobs = sum(({ tally }) => tally.jobs.packages.count);
  const seconds = sum(({ tally }) => tally.jobs.packages.seconds);
  return (
    <dl class="numbers wide">
      <Fact label="Packages built" value={built.toLocaleString("en")} />
      {jobs > 0 && <Fact label="A job takes" value={duration(seconds / jobs)} note="on average" />}
      <Fact label="Uploaded today" value={bytes(sum(({ uploadedToday }) => uploadedToday))} />
    </dl>
  );
}
