/** The messages that come over a connection, for a test that waits for one of a type. */
import { soon } from "./soon.ts";

export class Inbox<Message extends { readonly type: string }> {
  readonly #who: string;
  readonly #messages: Message[] = [];
  readonly #waiting = new Set<() => void>();

  /** `who` hears them, for the error of a wait. */
  constructor(who: string) {
    this.#who = who;
  }

  add(message: Message): void {
    this.#messages.push(message);
    for (const look of this.#waiting) look();
  }

  /** The next message of this type, past or future; each is returned once. */
  heard<T extends Message["type"]>(type: T): Promise<Extract<Message, { type: T }>> {
    return soon(
      `${this.#who} hears ${type}`,
      new Promise((resolve) => {
        const look = (): void => {
          const at = this.#messages.findIndex((message) => message.type === type);
          if (at < 0) return;
          this.#waiting.delete(look);
          resolve(this.#messages.splice(at, 1)[0] as never);
        };
        this.#waiting.add(look);
        look();
      }),
    );
  }
}
