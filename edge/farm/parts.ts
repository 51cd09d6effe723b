/** What a Farm object is made of: its parts, and how they are connected. */
import { type Config, readConfig } from "../config.ts";
import type { Env } from "../env.ts";
import { note } from "../log.ts";
import { openBucket } from "../store/open.ts";
import { Alarm } from "./alarm.ts";
import type { Ending } from "./builds/answer.ts";
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

/** Reads what is stored, and connects the parts. `times`: the waiting times in force. */
export function farmParts(ctx: DurableObjectState, env: Env, times: () => Times): FarmParts {
  const { storage } = ctx;
  const now = Date.now();
  const bucket = openBucket(env);
  const config = (): Promise<Config> => readConfig(env);
  const background = (work: Promise<unknown>): void => ctx.waitUntil(work);
  const alarm = new Alarm(storage);
  const wakeBy = (at: number): void => {
    alarm.by(at);
    background(alarm.set());
  };

  const schedule = new Schedule(times, () => crypto.randomUUID());
  // Before the queue, whose jobs count as held by them.
  const origins = new Origins(ctx, env, schedule, now);
  const queue = new Queue(storage, schedule, times(), now);
  const endings = new RememberedEndings(storage.sql);
  const trust = trustIn(env, origins);
  const candidates = new Candidates(storage.sql, trust);
  const packageSet = async (): Promise<string> => (await config()).packageSet.id;
  const tagNames = new TagNames({ bucket, trust, packageSet });

  const shared: DispatchParts = {
    schedule,
    queue,
    endings,
    origins,
    history: new History(storage.sql),
    alarm,
    times,
    background,
    async revoked(origin) {
      note("warn", "origin.revoked", { origin });
      // What it made is asked for again; results that others took are in the bucket.
      endings.forgetAll();
      candidates.forgetOrigin(origin);
      await tagNames.withdraw(origin);
    },
    isStoring: (job) => results.isStoring(job),
    deliver: (wantedBy, ended) => deliver(wantedBy, ended),
  };
  const dispatch = new Dispatch(shared);
  const parts = { ...shared, dispatch };
  const intake = new Intake({ ...parts, bucket, config });
  const rolls = new RollForward({
    sql: storage.sql,
    bucket,
    limits: () => warmLimits(env),
    want: (wantedBy, items) => intake.inBackground(wantedBy, items),
    isInForce: (origin) => trust.keyOf(origin) !== undefined,
    wakeBy,
  });
  const deliver = async (wantedBy: string, ended: ReadonlyMap<string, Ending>): Promise<void> =>
    RollForward.isName(wantedBy)
      ? rolls.ended(wantedBy, ended.keys())
      : env.BUILD.getByName(wantedBy).deliver(ended, ctx.id.name ?? "");
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
  return {
    alarm,
    origins,
    usedTokens: new UsedTokens(storage.sql),
    intake,
    dispatch,
    messages: new OriginMessages({ ...parts, ...told }),
    followed,
    rolls,
    operators: new Operators({ ...parts, uploads }),
    wakeBy,
  };
}

const trustIn = (env: Env, { controls }: Origins): Trust => ({
  keyOf: (name) => (controls.is(name, "revoked") ? undefined : keyInForce(name, env)),
  ownerOf: (name) => configuredOrigins(env).get(name)?.owner ?? name,
  agree: async () => (await readConfig(env)).agree,
});
