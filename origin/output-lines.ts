/**
 * Lines that a server writes to its standard output or error. Where nobody can take them (a full
 * disk, a reader that has gone) they are lost, and the server goes on: Node's own streams end the
 * process then, or are closed for good.
 */
import { writeSync } from "node:fs";

/** How often a pipe that is full is tried again, and the wait before each, milliseconds. */
const TRIES = 20;
const WAIT_MS = 50;

const never = new Int32Array(new SharedArrayBuffer(4));

/**
 * From now on this process is a server: what Node and libraries write to its output ends it neither.
 */
export function goOnWithoutOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners("error");
    stream.on("error", () => {});
  }
}

/** Writes all of it at once, or what can be written. */
export function writeOutput(fd: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  let tries = 0;
  for (let at = 0; at < bytes.length;)
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN" || ++tries > TRIES) return;
      Atomics.wait(never, 0, 0, WAIT_MS);
    }
}
