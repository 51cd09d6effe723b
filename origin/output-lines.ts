/**
 * Lines that a server writes to standard output or error. When they cannot be written (the disk is
 * full, the reader has gone) they are lost and the server goes on. Node's own streams would end the
 * process, or be closed for good.
 */
import { writeSync } from "node:fs";

/** Further attempts to write to a full pipe, and the wait before each, ms. */
const TRIES = 20;
const WAIT_MS = 50;

const never = new Int32Array(new SharedArrayBuffer(4));

/** Has this process survive errors of its output that Node and libraries cause, too. */
export function goOnWithoutOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners("error");
    stream.on("error", () => {});
  }
}

/** Writes the text synchronously; what cannot be written is lost. */
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
