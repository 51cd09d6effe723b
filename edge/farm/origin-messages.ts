/**
 * Messages of origins: each is parsed, validated, and passed to the part of the farm that handles
 * its type.
 */
import { type FromOrigin, CLOSE, EDGE_PROTOCOL } from "../contract/messages.ts";
import type { Config } from "../config.ts";
import type { Env } from "../env.ts";
import { filesOf } from "../contract/package-set.ts";
import { note } from "../log.ts";
import { admit, type Hello } from "./origins/admission.ts";
import { configuredOrigins, mayResolve } from "./origins/configured-origins.ts";
import type { Dispatch } from "./jobs/dispatch.ts";
import type { FollowedBuilds } from "./jobs/followed-builds.ts";
import { type Origins, REVOKED, type Status } from "./origins/origins.ts";
import type { Publication } from "./publication/publication.ts";
import type { TagNames } from "./publication/tag-names.ts";
import type { Queue } from "./jobs/queue.ts";
import { readMessage } from "./read-message.ts";
import type { Requests } from "./uploads/requests.ts";
import type { Results } from "./jobs/results.ts";
import type { Schedule } from "./schedule/schedule.ts";
import { attachmentOf, close } from "./origins/sockets.ts";

export interface OriginMessagesParts {
  readonly env: Env;
  readonly config: () => Promise<Config>;
  readonly schedule: Schedule;
  readonly queue: Queue;
  readonly origins: Origins;
  readonly dispatch: Dispatch;
  readonly results: Results;
  readonly requests: Requests;
  readonly followed: FollowedBuilds;
  readonly publication: Publication;
  readonly tagNames: TagNames;
  /** Runs work that no message waits for. */
  readonly background: (work: Promise<unknown>) => void;
}

type LogMessage = Extract<FromOrigin, { type: "log" }>;

/** RFC 6455, section 7.4.1. */
const INTERNAL_ERROR = 1011;

export class OriginMessages {
  readonly #with: OriginMessagesParts;

  constructor(parts: OriginMessagesParts) {
    this.#with = parts;
  }

  /** A message of an origin whose connection and key are valid. */
  async read(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const { name, hello } = attachmentOf(socket);
    const read = readMessage(data);
    if (read.kind === "message") {
      if (hello === (read.message.type === "hello"))
        return void close(socket, CLOSE.protocol, "hello comes first, and once");
      try {
        return await this.#take(socket, name, read.message);
      } catch (error) {
        // A configuration error, or a fault of Firn: the origin reconnects and repeats what was not
        // handled.
        note("error", "origin.message", {
          origin: name,
          type: read.message.type,
          error: String(error),
        });
        return void close(socket, INTERNAL_ERROR, "the edge has trouble; try again");
      }
    }
    note("error", "origin.protocol", { origin: name, problem: read.problem });
    if (read.kind === "unreadable") close(socket, CLOSE.protocol, read.problem);
    else await this.#with.results.refuseResults(name, read.job, read.problem);
  }

  #take(socket: WebSocket, name: string, message: FromOrigin): Promise<void> | void {
    switch (message.type) {
      case "hello":
        return this.#welcome(socket, name, message);
      case "status":
        return this.#status(name, message);
      case "accepted":
        this.#with.queue.accept(message.job, name);
        return this.#tellIfFollowed(name, message.job);
      case "log":
        return this.#logged(name, message);
      case "refused":
        return this.#with.results.handBack(name, message.job, message.message);
      case "done":
        return this.#with.results.done(name, message.job, message.results);
      case "failed":
        return this.#with.results.failed(name, message.job, message.failure);
      case "revision":
        return this.#changed(name, message);
      case "tags":
        return this.#tagsListed(name, message.tags);
      case "bye":
        this.#with.origins.leave(name);
        return this.#with.dispatch.schedule(true);
      case "upload":
      case "layers":
      case "read":
      case "cache-store":
      case "cache-read":
        return this.#with.requests.take(name, message);
    }
  }

  /** Has the origin send the log of a job that somebody follows. */
  #tellIfFollowed(name: string, id: string): void {
    const job = this.#with.schedule.jobs.get(id);
    if (job?.origin === name) this.#with.followed.begun(job, Date.now());
  }

  /** Passes on output of a job to the builds that are followed. */
  #logged(name: string, { job: id, first, lines }: LogMessage): void {
    const job = this.#with.schedule.jobs.get(id);
    if (job?.origin !== name) return;
    for (const build of this.#with.followed.buildsOf(job, Date.now()))
      this.#with.background(
        Promise.resolve(
          this.#with.env.BUILD.getByName(build).log({ source: id, first, lines }),
        ).catch((error: unknown) => note("warn", "build.log", { build, error: String(error) })),
      );
  }

  #status(name: string, status: Status): Promise<void> {
    const { accepting, reason, freeBytes } = status;
    const facts = { origin: name, accepting, reason, freeBytes };
    note(accepting ? "info" : "warn", "origin.status", facts);
    this.#with.origins.status(name, status);
    return this.#with.dispatch.schedule();
  }

  async #welcome(socket: WebSocket, name: string, said: Hello): Promise<void> {
    const { packageSet, sandboxedOnly, s3, zstd } = await this.#with.config();
    const origin = configuredOrigins(this.#with.env).get(name);
    if (origin === undefined) return void close(socket, CLOSE.unauthorized, REVOKED);
    const admission = admit(said, origin, {
      packageSet,
      sandboxedOnly,
      signsUploads: s3 !== null,
    });
    if ("refused" in admission) {
      note("error", "origin.mismatch", { origin: name, reason: admission.refused });
      return void close(socket, admission.code, admission.refused);
    }
    const { hello } = admission;
    const now = Date.now();
    this.#with.origins.enter(socket, hello, now);
    this.#with.origins.send(name, {
      type: "welcome",
      protocol: EDGE_PROTOCOL,
      origin: name,
      zstd,
    });
    note("info", "origin.connected", {
      origin: name,
      key: attachmentOf(socket).key,
      systems: hello.systems,
      slots: hello.slots,
      version: hello.version,
      nix: hello.nix,
      sandbox: hello.sandbox,
    });
    this.#with.results.resume(name, hello.running, now);
    for (const job of hello.running) this.#tellIfFollowed(name, job);
    // Before the bucket is asked for anything: that may take long, or fail.
    await this.#with.dispatch.schedule();
    await this.#announced(name, hello.revisions);
    await this.#with.dispatch.schedule();
  }

  /** An origin lists the tags of a git repository; those of other sets the edge knows itself. */
  async #tagsListed(name: string, tags: readonly string[]): Promise<void> {
    const { packageSet } = await this.#with.config();
    const origin = configuredOrigins(this.#with.env).get(name);
    if (origin === undefined || filesOf(packageSet).kind !== "git") return;
    const mayTell = (tag: string): boolean => mayResolve(origin, tag);
    await this.#with.tagNames.store({ tags, origin: name, mayTell });
  }

  /** A tag has changed its meaning; a roll-forward may have queued packages for it. */
  async #changed(name: string, told: { tag: string; revision: string }): Promise<void> {
    await this.#announced(name, [told]);
    await this.#with.dispatch.schedule();
  }

  /**
   * An origin says what a tag means without being asked. That counts only for a package set that
   * the origin itself holds (a directory, the starter set). Tags of channels and git repositories
   * are resolved by items, and so is a tag that could not be written now.
   */
  async #announced(
    name: string,
    revisions: readonly { tag: string; revision: string }[],
  ): Promise<void> {
    const { packageSet } = await this.#with.config();
    const origin = configuredOrigins(this.#with.env).get(name);
    for (const { tag, revision } of revisions) {
      if (origin === undefined || !mayResolve(origin, tag)) continue;
      this.#with.origins.has(name, revision);
      if (packageSet.kind !== "path" && packageSet.kind !== "starter") continue;
      const said = { packageSet: packageSet.id, tag, revision };
      await this.#with.publication
        .announce(said, name)
        .catch((error: unknown) =>
          note("error", "farm.storage", { origin: name, tag, problem: String(error) }),
        );
    }
  }
}
