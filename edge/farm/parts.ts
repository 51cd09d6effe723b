/** What a Farm object is made of: its parts, and how they are connected. */
import { type Config, readConfig } from "../config.ts";
import type { Env } from "../env.ts";
import { note } from "../log.ts";
import { openBucket } from "../store/open.ts";
import { Alarm } from "./alarm.ts";
import { Dispatch, type DispatchParts } from "./jobs/dispatch.ts";
import { FollowedBuilds } from "./jobs/followed-builds.ts";
import { History } from "./jobs/history.ts";
import { Intake } from "./jobs/intake.ts";
import { Queue } from "./jobs/queue.ts";
import { RememberedEndings } from "./jobs/remembered-endings.ts";
import { Results } from "./jobs/results.ts";
import type { Times } from "./limits.ts";
import { Operators } from "./operators.ts";
import { OriginMessages } from "./origin-messages.ts";
import { configuredOrigins } from "./origins/configured-origins.ts";
import { Origins } from "./origins/origins.ts";
import { keyInForce } from "./origins/token.ts";
import { UsedTokens } from "./origins/used-tokens.ts";
import { Candidates } from "./publication/candidates.ts";
import { Publication } from "./publication/publication.ts";
import { TagNames } from "./publication/tag-names.ts";
import type { Trust } from "./publication/trust.ts";
import { RollForward, warmLimits } from "./roll-forward.ts";
import { Schedule } from "./schedule/schedule.ts";
import { BinaryCache } from "./uploads/binary-cache.ts";
import { Requests } from "./uploads/requests.ts";
import { Uploads } from "./uploads/uploads.ts";

/** The parts that the Farm object itself calls. */
export interface FarmParts {
  readonly alarm: Alarm;
  readonly origins: Origins;
  readonly usedTokens: UsedTokens;
  readonly intake: Intake;
  readonly dispatch: Dispatch;
  readonly messages: OriginMessages;
  readonly followed: FollowedBuilds;
  readonly rolls: RollForward;
  readonly operators: Operators;
  /** Has the alarm ring at this time at the latest, ms since 1970. */
  readonly wakeBy: (at: number) => void;
}

/** Where the farm lives, and its waiting times in force. */
interface Place {
  readonly ctx: DurableObjectState;
  readonly env: Env;
  readonly times: () => Times;
}

/** Reads what is stored, and connects the parts. */
export function farmParts(place: Place): FarmParts {
  const { ctx, env } = place;
  const { storage } = ctx;
  const bucket = openBucket(env);
  const config = (): Promise<Config> => readConfig(env);
  const { core, trust, candidates, tagNames } = coreParts(place, {
    isStoring: (job) => results.isStoring(job),
    deliver: async (wantedBy, ended) =>
      RollForward.isName(wantedBy)
        ? rolls.ended(wantedBy, ended.keys())
        : env.BUILD.getByName(wantedBy).deliver(ended, ctx.id.name ?? ""),
  });
  const dispatch = new Dispatch(core);
  const parts = { ...core, dispatch };
  const wakeBy = (at: number): void => {
    core.alarm.by(at);
    core.background(core.alarm.set());
  };
  const intake = new Intake({ ...parts, bucket, config });
  const rolls = new RollForward({
    sql: storage.sql,
    bucket,
    limits: () => warmLimits(env),
    want: (wantedBy, items) => intake.inBackground(wantedBy, items),
    isInForce: (origin) => trust.keyOf(origin) !== undefined,
    wakeBy,
  });
  const publication = new Publication({
    bucket,
    trust,
    candidates,
    setTag: (tag) => rolls.resolved(tag),
    zstd: async () => (await config()).zstd,
  });
  const results = new Results({ ...parts, publication });
  const followed = new FollowedBuilds(parts);
  const uploads = new Uploads(storage, bucket);
  const cache = new BinaryCache(storage, bucket);
  const requests = new Requests({ ...parts, bucket, uploads, cache, trust, config });
  const told = { env, config, publication, tagNames, requests, results, followed };
  const messages = new OriginMessages({ ...parts, ...told });
  const operators = new Operators({ ...parts, uploads });
  const usedTokens = new UsedTokens(storage.sql);
  const { alarm, origins } = core;
  const reached = { intake, dispatch, messages, followed, rolls, operators };
  return { alarm, origins, usedTokens, wakeBy, ...reached };
}

/** The parts that most others need. `later`: what is done by parts that are made after them. */
function coreParts(
  { ctx, env, times }: Place,
  later: Pick<DispatchParts, "isStoring" | "deliver">,
) {
  const { storage } = ctx;
  const now = Date.now();
  const schedule = new Schedule(times, () => crypto.randomUUID());
  // Before the queue, whose jobs count as held by them.
  const origins = new Origins(ctx, env, schedule, now);
  const trust = trustIn(env, origins);
  const endings = new RememberedEndings(storage.sql);
  const candidates = new Candidates(storage.sql, trust);
  const packageSet = async (): Promise<string> => (await readConfig(env)).packageSet.id;
  const tagNames = new TagNames({ bucket: openBucket(env), trust, packageSet });
  const core: DispatchParts = {
    schedule,
    origins,
    queue: new Queue(storage, schedule, times(), now),
    endings,
    history: new History(storage.sql),
    alarm: new Alarm(storage),
    times,
    background: (work) => ctx.waitUntil(work),
    async revoked(origin) {
      note("warn", "origin.revoked", { origin });
      // What it made is asked for again; results that others took are in the bucket.
      endings.forgetAll();
      candidates.forgetOrigin(origin);
      await tagNames.withdraw(origin);
    },
    ...later,
  };
  return { core, trust, candidates, tagNames };
}

const trustIn = (env: Env, { controls }: Origins): Trust => ({
  keyOf: (name) => (controls.is(name, "revoked") ? undefined : keyInForce(name, env)),
  ownerOf: (name) => configuredOrigins(env).get(name)?.owner ?? name,
  agree: async () => (await readConfig(env)).agree,
});
