/**
 * Server-sent events (HTML, section "Server-sent events"), as far as a build's log uses them. Pure.
 */

export interface LogEvent {
  /** `message` for a line of the log, `end` for how it ended. */
  readonly type: string;
  readonly id: string;
  readonly data: string;
}

/** Reads events from the chunks of a stream, because EventSource itself cannot send credentials. */
export class EventReader {
  #rest = "";

  /** The events that are complete with this chunk. */
  read(chunk: string): LogEvent[] {
    const blocks = (this.#rest + chunk).replaceAll("\r\n", "\n").split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => {
      const fields = new Map(
        block.split("\n").map((line) => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")] as const;
        }),
      );
      const data = fields.get("data");
      return data === undefined
        ? []
        : [{ type: fields.get("event") ?? "message", id: fields.get("id") ?? "", data }];
    });
  }
}
