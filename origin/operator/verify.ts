/**
 * `firn verify`: has the edge look whether what is in the bucket is whole, and shows or repairs
 * what is not.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Finding,
  isNotice,
  PROBLEMS,
  type Repaired,
  VERIFY_KINDS,
  type VerifyKind,
} from "../../edge/contract/verify.ts";
import type { OperatorClient } from "./client.ts";
import { plain } from "./table.ts";

export interface VerifyOptions {
  /** Read every blob, and hash it. */
  readonly deep: boolean;
  readonly repair: boolean;
  readonly tell: (line: string) => void;
}

export interface Verified {
  /** Objects that were looked at, by kind. */
  readonly looked: Partial<Record<VerifyKind, number>>;
  readonly found: readonly Finding[];
  /** What became of what was found, by its key; empty without `repair`. */
  readonly repaired: Readonly<Record<string, Repaired>>;
}

/** Attempts at having one object made again, a minute each: builds take a while. */
const ATTEMPTS = 30;
/** Between two, ms, when the edge did not wait. */
const PAUSE_MS = 5_000;

/** Throws an Error when the edge does not answer. */
export async function verify(
  client: Pick<OperatorClient, "verify" | "repair">,
  { deep, repair, tell }: VerifyOptions,
): Promise<Verified> {
  const looked: Partial<Record<VerifyKind, number>> = {};
  const found: Finding[] = [];
  const repaired: Record<string, Repaired> = {};
  for (const kind of VERIFY_KINDS) {
    if (kind === "blobs" && !deep) continue;
    const broken: Finding[] = [];
    for await (const page of client.verify(kind)) {
      looked[kind] = (looked[kind] ?? 0) + page.looked;
      broken.push(...page.found);
      tell(`${kind}: ${looked[kind]} looked at, ${broken.length} to be told of`);
    }
    found.push(...broken);
    if (!repair) continue;
    for (const finding of broken.filter((each) => !isNotice(each))) {
      if (repaired[finding.key] !== undefined) continue;
      const done = await repairOne(client, finding);
      repaired[finding.key] = done;
      tell(`${kind}: ${plain(finding.what)} ${STATES[done.state]}${reason(done)}`);
    }
  }
  return { looked, found, repaired };
}

async function repairOne(
  client: Pick<OperatorClient, "repair">,
  finding: Finding,
): Promise<Repaired> {
  for (let attempt = 1; ; attempt += 1) {
    const done = await client.repair(finding);
    if (done.state !== "building" || attempt >= ATTEMPTS) return done;
    await sleep(PAUSE_MS);
  }
}

const STATES: Readonly<Record<Repaired["state"], string>> = {
  whole: "is whole by now",
  withdrawn: "was withdrawn, and is made again when it is needed",
  made: "was made again",
  building: "is being made still",
  later: "could not be made now",
  operator: "is for a person",
};
const reason = ({ message }: Repaired): string =>
  message === undefined ? "" : `: ${plain(message)}`;

const DONE: ReadonlySet<Repaired["state"]> = new Set(["whole", "withdrawn", "made"]);

/** Whether something is broken still. */
export const isBroken = ({ found, repaired }: Verified): boolean =>
  found.some((finding) => {
    const state = repaired[finding.key]?.state;
    return !isNotice(finding) && (state === undefined || !DONE.has(state));
  });

/** Findings that a person is shown; `--json` has all. */
const MAX_SHOWN = 200;

/** Pure. */
export function shownVerified(verified: Verified): string {
  const { looked, found, repaired } = verified;
  const lines = found.slice(0, MAX_SHOWN).map((finding) => {
    const { kind, what, problem, detail } = finding;
    const done = repaired[finding.key];
    const after = done === undefined ? "" : `; it ${STATES[done.state]}${reason(done)}`;
    const more = detail.length === 0 ? "" : `: ${plain(detail.join(", "))}`;
    return `${kind}: ${plain(what)} ${PROBLEMS[problem]}${more}${after}`;
  });
  if (found.length > MAX_SHOWN) lines.push(`and ${found.length - MAX_SHOWN} more`);
  const counts = Object.entries(looked).map(([kind, count]) => `${count} ${kind}`);
  const total = `Looked at ${counts.join(", ")}.`;
  const ending = isBroken(verified)
    ? Object.keys(repaired).length > 0
      ? "Something is broken still."
      : "--repair withdraws or has made again what is broken; a pull that needs it does so too."
    : "Nothing is broken.";
  return [...lines, ...(lines.length > 0 ? [""] : []), `${total} ${ending}`].join("\n");
}
