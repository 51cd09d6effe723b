/**
 * The Build object: one per set of missing items, by `buildName`. Everybody who wants these items
 * waits on it, so 32 pulls of one unknown image are one build, of which the farm hears once. A
 * retry joins; who hangs up cancels nothing.
 *
 * It stores nothing: the farm's queue knows what goes on and remembers, for a while, how it ended.
 * When this object is lost under those who wait, ask.ts asks again and the new one asks the farm.
 */
import { DurableObject } from "cloudflare:workers";
import type { BuildRpc, Env } from "../env.ts";
import type { Item } from "../contract/messages.ts";
import { note } from "../log.ts";
import { type Answer, buildName, type Ending, itemKey, type Reply } from "./answer.ts";
import { farmStub } from "./connect.ts";
import { memoryOf, RECHECK } from "./limits.ts";

export class Build extends DurableObject<Env> implements BuildRpc {
  #items: readonly Item[] = [];
  readonly #endings = new Map<string, Ending>();
  /** Until when the endings answer whoever asks next, ms since 1970; 0 while one is missing. */
  #until = 0;
  /** The last request to the farm, which everybody who asks in the meantime shares. */
  #request: { readonly at: number; readonly reply: Promise<Reply["state"]> } | undefined;
  readonly #waiting = new Set<(answer: Answer) => void>();

  /** Has the items made, or joins those who wait for them; `building` after `waitMs`. */
  async ask(items: readonly Item[], waitMs: number): Promise<Answer> {
    const deadline = Date.now() + waitMs;
    this.#items = items;
    if (this.#until !== 0 && Date.now() >= this.#until) this.#forget();
    for (let asked = false; ; asked = true) {
      const state = await this.#askFarm().catch((error: unknown) => {
        // The first request must arrive; a later one only makes good a delivery that got lost.
        if (!asked) throw error;
        note("warn", "build.request", { error: String(error) });
        return "taken" as const;
      });
      if (state !== "taken") return { state };
      const left = deadline - Date.now();
      const answer = this.#answer() ?? (await this.#delivered(Math.min(left, RECHECK)));
      if (answer !== undefined) return answer;
      if (left <= RECHECK) return { state: "building" };
    }
  }

  /** The farm tells how items ended. */
  async deliver(endings: ReadonlyMap<string, Ending>): Promise<void> {
    for (const [key, ending] of endings) this.#endings.set(key, ending);
    const answer = this.#answer();
    if (answer === undefined || this.#until !== 0) return;
    this.#until = Date.now() + Math.min(...[...this.#endings.values()].map(memoryOf));
    for (const tell of this.#waiting) tell(answer);
  }

  #forget(): void {
    this.#endings.clear();
    this.#until = 0;
    this.#request = undefined;
  }

  /**
   * Asks the farm for what has no ending yet, at most once every RECHECK: a delivery that got lost
   * costs no more than that.
   */
  #askFarm(): Promise<Reply["state"]> {
    if (this.#answer() !== undefined) return Promise.resolve("taken");
    const now = Date.now();
    if (this.#request === undefined || now >= this.#request.at + RECHECK)
      this.#request = { at: now, reply: this.#send() };
    return this.#request.reply;
  }

  async #send(): Promise<Reply["state"]> {
    try {
      const missing = this.#items.filter((item) => !this.#endings.has(itemKey(item)));
      const reply = (await farmStub(this.env).request(
        await buildName(this.#items),
        missing,
      )) as Reply;
      if (reply.state === "taken") await this.deliver(reply.known);
      else this.#request = undefined;
      return reply.state;
    } catch (error) {
      this.#request = undefined;
      throw error;
    }
  }

  /** The answer, as soon as it is complete, or undefined after `ms`. */
  #delivered(ms: number): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const finish = (answer?: Answer): void => {
        clearTimeout(timer);
        this.#waiting.delete(finish);
        resolve(answer);
      };
      const timer = setTimeout(finish, Math.max(0, ms));
      this.#waiting.add(finish);
    });
  }

  #answer(): Answer | undefined {
    const endings = this.#items.map((item) => this.#endings.get(itemKey(item)));
    if (endings.includes(undefined)) return undefined;
    const results = endings.filter((ending) => typeof ending === "object");
    return results.length < endings.length ? { state: "no-origin" } : { state: "done", results };
  }
}
