/**
 * The log of a build, for everybody who follows it. The last lines are kept; a follower gets those
 * and then each new line, as text or as server-sent events (HTML, "Server-sent events"):
 *
 *   building '/nix/store/…-git-2.44.drv'...        id: 17
 *                                                  data: building '/nix/store/…-git-2.44.drv'...
 *
 *   done                                           event: end
 *                                                  data: {"state":"done"}
 *
 * A job's origin numbers its lines, so that lines which arrive twice are dropped, and gaps noted. A
 * browser that reconnects sends the number of the last line that it received in Last-Event-ID.
 */

/**
 * How often a Build object with followers reports them to the farm, seconds (followed-builds.ts).
 */
export const FOLLOW_SECONDS = 20;
/** Most lines that are kept: as many as a person scrolls through. */
const MAX_LINES = 2_000;
/** Most characters in these lines: with two bytes each, a hundredth of an isolate's memory. */
const MAX_CHARACTERS = 512 * 1024;
/** Most followers of one build: each is a connection. */
export const MAX_FOLLOWERS = 100;
/** A follower that reads too slowly is disconnected when this many chunks are waiting for it. */
const MAX_WAITING = 5_000;

/**
 * Parameters of a request to the Build object: the format, and the last line that the follower had.
 */
export const LOG_FORM = "form";
export const LOG_AFTER = "after";
/** Names of the build's packages, as JSON: for the Worker, not for the client. */
export const PACKAGES_HEADER = "x-firn-packages";

/** Some lines of one job. */
export interface LogLines {
  /** A job and an attempt at it, which number the lines. */
  readonly source: string;
  /** Number of the first line, from 0. */
  readonly first: number;
  readonly lines: readonly string[];
}

/** How a build ended. */
export interface BuildEnd {
  readonly state: "done" | "failed";
  /** Why it failed, for a person. */
  readonly message?: string;
}

export type LogForm = "text" | "events";

const encoder = new TextEncoder();

interface Line {
  readonly number: number;
  readonly text: string;
}

export class BuildLog {
  readonly #lines: Line[] = [];
  #characters = 0;
  #count = 0;
  #end: BuildEnd | undefined;
  /** Number of the next line from each source. */
  readonly #next = new Map<string, number>();
  readonly #followers = new Map<ReadableStreamDefaultController<Uint8Array>, LogForm>();

  /** Called when the first follower comes, and when the last has left. */
  readonly #onFollowed: (followed: boolean) => void;

  constructor(onFollowed: (followed: boolean) => void) {
    this.#onFollowed = onFollowed;
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** Takes lines of an origin; lines that are already known are dropped. */
  add({ source, first, lines }: LogLines): void {
    const next = this.#next.get(source) ?? 0;
    if (first > next) this.note(`… ${first - next} lines left out`);
    for (const text of lines.slice(Math.max(0, next - first))) this.note(text);
    this.#next.set(source, Math.max(next, first + lines.length));
  }

  /** Adds a line. */
  note(text: string): void {
    const line = { number: this.#count++, text };
    this.#lines.push(line);
    this.#characters += text.length;
    while (this.#lines.length > MAX_LINES || this.#characters > MAX_CHARACTERS)
      this.#characters -= this.#lines.shift()?.text.length ?? 0;
    for (const [controller, form] of this.#followers) this.#send(controller, shown(line, form));
  }

  /** Tells every follower that the build is over, and disconnects them. */
  end(end: BuildEnd): void {
    this.#end = end;
    for (const [controller, form] of this.#followers) {
      this.#send(controller, shownEnd(end, form));
      this.#leave(controller, () => controller.close());
    }
  }

  /** Reopens the log for another attempt at the same items. */
  restart(): void {
    this.#end = undefined;
  }

  /** The lines after number `after`, and then each as it comes, until the build ends. */
  follow(form: LogForm, after: number): ReadableStream<Uint8Array> {
    let own: ReadableStreamDefaultController<Uint8Array> | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          own = controller;
          for (const line of this.#lines)
            if (line.number > after) controller.enqueue(encoder.encode(shown(line, form)));
          if (this.#end !== undefined) {
            controller.enqueue(encoder.encode(shownEnd(this.#end, form)));
            return controller.close();
          }
          this.#followers.set(controller, form);
          if (this.#followers.size === 1) this.#onFollowed(true);
        },
        cancel: () => {
          if (own !== undefined) this.#leave(own, () => undefined);
        },
      },
      new CountQueuingStrategy({ highWaterMark: MAX_WAITING }),
    );
  }

  #send(controller: ReadableStreamDefaultController<Uint8Array>, text: string): void {
    try {
      if ((controller.desiredSize ?? 0) <= 0)
        return this.#leave(controller, () => controller.error(new Error("read too slowly")));
      controller.enqueue(encoder.encode(text));
    } catch {
      this.#leave(controller, () => undefined);
    }
  }

  #leave(controller: ReadableStreamDefaultController<Uint8Array>, close: () => void): void {
    if (!this.#followers.delete(controller)) return;
    close();
    if (this.#followers.size === 0) this.#onFollowed(false);
  }
}

/** Control characters except tab, which a terminal or an event stream would interpret. */
const CONTROLS = /(?!\t)\p{Cc}/gu;

function shown({ number, text }: Line, form: LogForm): string {
  const plain = text.replace(CONTROLS, "");
  return form === "text" ? `${plain}\n` : `id: ${number}\ndata: ${plain}\n\n`;
}

function shownEnd(end: BuildEnd, form: LogForm): string {
  if (form === "events") return `event: end\ndata: ${JSON.stringify(end)}\n\n`;
  return end.message === undefined ? `${end.state}\n` : `${end.state}: ${end.message}\n`;
}
