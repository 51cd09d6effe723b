/** A client of an edge's operator API. */
import pRetry, { AbortError } from "p-retry";
import * as v from "valibot";
import { FarmSchema } from "../../edge/contract/farm-state.ts";
import { GcProgressSchema, type GcTerms, PinsSchema } from "../../edge/contract/housekeeping.ts";
import {
  DrainedSchema,
  LiftedSchema,
  OPERATOR_PATH,
  RestedSchema,
  OriginRecordsPageSchema,
  type OriginRecordKind,
  type OriginRecord,
  RevokedSchema,
} from "../../edge/contract/operator.ts";
import { CommandFailed, kindOfAnswer } from "../commands/exit-codes.ts";
import { mayPass, reasonOf } from "../remote/network-error.ts";
import {
  type Finding,
  RepairedSchema,
  type VerifyKind,
  type VerifyPage,
  VerifyPageSchema,
} from "../../edge/contract/verify.ts";

export interface OperatorAccess {
  readonly edge: URL;
  readonly user: string;
  readonly password: string;
}

/** Further attempts at a request, after errors that may pass. */
const RETRIES = 5;
/** Records in one page. */
const PAGE = 250;
/** Longest part of an answer that an error shows, characters. */
const MAX_SHOWN = 300;

/** Its methods throw a CommandFailed when the edge refuses or does not answer. */
export class OperatorClient {
  readonly #access: OperatorAccess;

  constructor(access: OperatorAccess) {
    this.#access = access;
  }

  /** The state of the farm. */
  farm(retries?: number) {
    return this.#send("GET", "", FarmSchema, retries);
  }

  /** Gives the origin no more jobs. */
  drain(origin: string) {
    return this.#send("POST", `origins/${origin}/drain`, DrainedSchema);
  }

  /** Gives it jobs again. */
  undrain(origin: string) {
    return this.#send("DELETE", `origins/${origin}/drain`, DrainedSchema);
  }

  /** Gives the origin no jobs for so many seconds. */
  rest(origin: string, seconds: number) {
    return this.#send("POST", `origins/${origin}/rest?seconds=${seconds}`, RestedSchema);
  }

  /** Ends the origin's connections, and lets none of its name in. */
  revoke(origin: string) {
    return this.#send("POST", `origins/${origin}/revoke`, RevokedSchema);
  }

  /** Lets it in again. */
  lift(origin: string) {
    return this.#send("DELETE", `origins/${origin}/revoke`, LiftedSchema);
  }

  /** Findings about objects of a kind, page by page. */
  async *verify(kind: VerifyKind): AsyncGenerator<VerifyPage> {
    let since: number | undefined;
    for (let after: string | undefined, first = true; first || after !== undefined;) {
      first = false;
      const query = new URLSearchParams({
        kind,
        ...(since === undefined ? {} : { since: String(since) }),
        ...(after === undefined ? {} : { after }),
      });
      const page = await this.#send("GET", `verify?${query}`, VerifyPageSchema);
      yield page;
      since ??= page.at;
      after = page.after;
    }
  }

  /** Has an object withdrawn, or made again. */
  repair({ kind, key }: Pick<Finding, "kind" | "key">) {
    return this.#send("POST", `verify?${new URLSearchParams({ kind, key })}`, RepairedSchema);
  }

  /** Keeps an image, or lets it be collected again. */
  pin(name: string, digest: string, pinned: boolean) {
    const query = new URLSearchParams({ name, digest });
    return this.#send(pinned ? "POST" : "DELETE", `pins?${query}`, PinsSchema);
  }

  /** All pinned images. */
  async pins(): Promise<v.InferOutput<typeof PinsSchema>> {
    const pins: v.InferOutput<typeof PinsSchema>["pins"] = [];
    let after: string | undefined;
    do {
      const query = after === undefined ? "" : `?${new URLSearchParams({ after })}`;
      const page = await this.#send("GET", `pins${query}`, PinsSchema);
      pins.push(...page.pins);
      ({ after } = page);
    } while (after !== undefined);
    return { pins };
  }

  /** Begins a run of garbage collection, or resumes one with the same terms. */
  beginGc({ unused, grace, delete: deletes }: GcTerms) {
    const query = `unused=${unused}&grace=${grace}${deletes ? "&delete=on" : ""}`;
    return this.#send("POST", `gc?${query}`, GcProgressSchema);
  }

  /** Has the run do its next step. */
  stepGc(run: string) {
    return this.#send("POST", `gc/${run}`, GcProgressSchema);
  }

  /**
   * Records that depend on an origin, page by page. With `withdraw` they are withdrawn before the
   * page is returned. `since`: ms since 1970.
   */
  async *recordsOf(
    origin: string,
    kind: OriginRecordKind,
    { since, withdraw }: { readonly since: number; readonly withdraw: boolean },
  ): AsyncGenerator<{ readonly found: readonly OriginRecord[]; readonly looked: number }> {
    for (let after: string | undefined, first = true; first || after !== undefined;) {
      first = false;
      const query = new URLSearchParams({
        kind,
        since: String(since),
        limit: String(PAGE),
        ...(after === undefined ? {} : { after }),
      });
      const method = withdraw ? "DELETE" : "GET";
      const page = await this.#send(
        method,
        `origins/${origin}/records?${query}`,
        OriginRecordsPageSchema,
      );
      yield page;
      after = page.after;
    }
  }

  /** `path`: below OPERATOR_PATH; empty for that itself. */
  #send<T>(
    method: string,
    path: string,
    schema: v.GenericSchema<unknown, T>,
    retries = RETRIES,
  ): Promise<T> {
    const { edge, user, password } = this.#access;
    const url = new URL(path === "" ? OPERATOR_PATH : `${OPERATOR_PATH}/${path}`, edge);
    const basic = Buffer.from(`${user}:${password}`).toString("base64");
    return pRetry(
      async () => {
        const response = await fetch(url, {
          method,
          redirect: "error",
          headers: { authorization: `Basic ${basic}` },
        }).catch((error: Error) => {
          const message = `${edge.host} cannot be reached: ${reasonOf(error)}`;
          const failed = new CommandFailed("later", message, { cause: error });
          throw mayPass(error) ? failed : new AbortError(failed);
        });
        const text = await response.text();
        if (response.ok) {
          const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
          if (parsed.success) return parsed.output;
          throw new AbortError(
            new CommandFailed("failed", `${edge.host} is not a Firn registry, or another version`),
          );
        }
        const said = refusal(edge, response.status, text);
        const error = new CommandFailed(kindOfAnswer(response.status), said);
        throw response.status >= 500 || response.status === 429 ? error : new AbortError(error);
      },
      { retries },
    );
  }
}

/** What the edge said, for the person at the terminal. */
function refusal({ host }: URL, status: number, text: string): string {
  const hint: Partial<Record<number, string>> = {
    401: ": check FIRN_USER and FIRN_PASSWORD",
    404: ": is FIRN_EDGE the edge's URL?",
  };
  const said = messageOf(text);
  const help = said === undefined || status !== 404 ? (hint[status] ?? "") : "";
  return `${host} answered ${status}${help}: ${(said ?? text).trim().slice(0, MAX_SHOWN)}`;
}

const ErrorsSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ errors: v.pipe(v.array(v.object({ message: v.string() })), v.minLength(1)) }),
);

/** The message of an error of the edge's own; undefined for anything else. */
function messageOf(text: string): string | undefined {
  const parsed = v.safeParse(ErrorsSchema, text);
  return parsed.success ? parsed.output.errors[0]?.message : undefined;
}
