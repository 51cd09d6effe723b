/** A worker thread: does one task at a time. */
import { parentPort } from "node:worker_threads";
import { type Reply, type Request, runTask } from "./tasks.ts";

parentPort?.on("message", (request: Request) => void answer(request));

async function answer({ id, task, cancel }: Request): Promise<void> {
  let reply: Reply;
  try {
    reply = { id, ok: true, value: await runTask(task, cancel) };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    reply = {
      id,
      ok: false,
      name: error.name,
      message: error.message,
      code: (error as NodeJS.ErrnoException).code,
      stack: error.stack,
    };
  }
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  parentPort?.postMessage(reply);
}
