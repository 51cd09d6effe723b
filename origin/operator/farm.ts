/** `firn farm`: the state of the farm as text. Pure. */
import type { EndedItem, FarmView } from "../../edge/contract/farm-state.ts";
import { cut, duration, plain, size, table } from "./table.ts";

type Origin = FarmView["origins"][number];
type Region = FarmView["regions"][number];
type Past = FarmView["builds"][number];

/** Jobs that are shown of each list; `--json` has all that the edge tells. */
const SHOWN = 8;
/** Names of items in one line. */
const NAMES = 6;

/** The farm as lines of this width. `host`: the edge's. */
export function shownFarm(farm: FarmView, host: string, width: number): string[] {
  const { at, regions, origins, builds, failures } = farm;
  const several = regions.length > 1;
  return [
    `${host}  ${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`,
    "",
    ...regionTable(regions),
    "",
    ...originTable(origins, several, at),
    ...pastTable("LATEST BUILDS", builds, several, at),
    ...pastTable("LATEST FAILURES", failures, several, at),
  ].map((line) => cut(line, width));
}

function regionTable(regions: readonly Region[]): string[] {
  const rows = regions.map(({ region, reachable, origins, jobs, queued, uploadedToday }) =>
    reachable
      ? [
          region,
          `${origins.connected} of ${Object.values(origins.states).reduce((a, b) => a + b, 0)}`,
          `${jobs.packages} of ${origins.slots}`,
          String(queued.packages),
          String(jobs.tags),
          String(queued.tags),
          size(uploadedToday),
        ]
      : [region, "its farm does not answer", "", "", "", "", ""],
  );
  const head = [
    "REGION",
    "CONNECTED",
    "SLOTS USED",
    "QUEUED",
    "TAG JOBS",
    "TAGS QUEUED",
    "UPLOADED TODAY",
  ];
  return table([head, ...rows], [2, 3, 4, 5, 6]);
}

function originTable(origins: readonly Origin[], several: boolean, at: number): string[] {
  if (origins.length === 0) return ["No origin: ORIGINS names none."];
  const of = (region: string): string[] => (several ? [region] : []);
  const rows = origins.map((origin) => [
    origin.name,
    ...of(origin.region),
    stateText(origin, at),
    origin.slots === 0 ? "–" : `${origin.jobs.packages} of ${origin.slots}`,
    origin.seen === null ? "–" : `${duration((at - origin.seen) / 1_000)} ago`,
    origin.freeBytes === null ? "–" : size(origin.freeBytes),
    plain(origin.version ?? "–"),
    plain(origin.nix ?? "–"),
    origin.sandbox === null ? "–" : origin.sandbox ? "yes" : "no",
    origin.systems.map((system) => system.replace("-linux", "")).join(", ") || "–",
  ]);
  const head = ["ORIGIN", ...of("REGION"), "STATE", "SLOTS USED", "HEARD OF", "FREE DISK"];
  const from = several ? 3 : 2;
  const lines = table(
    [[...head, "FIRN", "NIX", "SANDBOX", "SYSTEMS"], ...rows],
    [from, from + 1, from + 2],
  );
  // Why an origin takes no jobs stands below its own line.
  return lines.flatMap((line, row) => {
    const reason = origins[row - 1]?.reason;
    return reason == null ? [line] : [line, `  ${plain(reason)}`];
  });
}

function stateText({ state, connected, restUntil, onTrial, failures }: Origin, at: number): string {
  const rest = restUntil === null ? "" : `, ${duration((restUntil - at) / 1_000)} more`;
  switch (state) {
    case "drained":
      return connected ? "drained" : "drained, not connected";
    case "full":
      return "disk full";
    case "rested":
      return `at rest${rest}`;
    case "gone":
      return "not connected";
    case "waiting":
      return "connection lost";
    case "connected":
      return onTrial ? `on trial${failures > 0 ? `, failed ${failures} times` : ""}` : state;
    default:
      return state;
  }
}

function pastTable(title: string, past: readonly Past[], several: boolean, at: number): string[] {
  if (past.length === 0) return [];
  const rows = past
    .slice(0, SHOWN)
    .map((job) => [
      `${duration((at - job.at) / 1_000)} ago`,
      ...(several ? [job.region] : []),
      job.origin ?? "no origin",
      job.seconds === null ? "–" : duration(job.seconds),
      whatOf(job.items),
    ]);
  const head = [title, ...(several ? ["REGION"] : []), "ORIGIN", "TOOK", ""];
  return ["", ...table([head, ...rows], [several ? 3 : 2])];
}

/** The items in words: `git, curl`, or the first that failed and why. */
function whatOf(items: readonly EndedItem[]): string {
  const failed = items.filter(({ result }) => result !== "done");
  const [first] = failed;
  if (first === undefined) return namesOf(items);
  const message = plain(first.message);
  return `${namesOf(failed)}: ${first.result}${message === "" ? "" : `, ${message}`}`;
}

function namesOf(items: readonly EndedItem[]): string {
  const more = items.length > NAMES ? ` and ${items.length - NAMES} more` : "";
  return items.slice(0, NAMES).map(nameOf).join(", ") + more;
}

function nameOf({ kind, name, system }: EndedItem): string {
  const where = system === "aarch64-linux" ? " (arm64)" : "";
  if (kind === "tag") return `tag ${name}`;
  if (kind === "index") return `${name === "" ? "all names" : `names of ${name}`}${where}`;
  return `${name}${where}`;
}
