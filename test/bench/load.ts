/**
 * A load generator in a thread of its own: keep-alive connections over bare sockets, one request at
 * a time on each. It parses no more of an answer than its status and Content-Length, which makes it
 * several times as fast as what it measures (Node's own HTTP clients are not).
 */
import { connect } from "node:net";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

export interface LoadOptions {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Requests answered with 200 per second. Throws when any answer was another. */
export function load(options: LoadOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const worker = new Worker(new URL(import.meta.url), { workerData: options });
  worker.once("message", resolve);
  worker.once("error", reject);
  return promise;
}

const HEAD_END = Buffer.from("\r\n\r\n");

/**
 * One connection: sends the request again whenever the answer is complete. Resolves to the number
 * of answers when `until` (performance.now) has passed.
 */
function drive(host: string, port: number, request: Buffer, until: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const socket = connect({ host, port, noDelay: true });
  let buffered: Buffer = Buffer.alloc(0);
  /** Bytes of the body still to come; null while the head is. */
  let left: number | null = null;
  let answers = 0;
  socket.on("connect", () => socket.write(request));
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the server closed a connection that was to be kept")));
  socket.on("data", (chunk) => {
    if (left === null) {
      buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
      const end = buffered.indexOf(HEAD_END);
      if (end < 0) return;
      const head = buffered.toString("latin1", 0, end);
      const length = /^content-length: (\d+)/im.exec(head)?.[1];
      if (!head.startsWith("HTTP/1.1 200") || length === undefined)
        return void socket.destroy(new Error(`not the answer that was expected: ${head}`));
      left = Number(length) - (buffered.length - end - HEAD_END.length);
      buffered = Buffer.alloc(0);
    } else {
      left -= chunk.length;
    }
    if (left > 0) return;
    left = null;
    answers++;
    if (performance.now() < until) return void socket.write(request);
    socket.removeAllListeners("close");
    socket.destroy();
    resolve(answers);
  });
  return promise;
}

async function run({ url, connections, seconds, headers }: LoadOptions): Promise<number> {
  const { hostname, port, host, pathname } = new URL(url);
  const lines = Object.entries({ host, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const request = Buffer.from(`GET ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`);
  const start = performance.now();
  const counts = await Promise.all(
    Array.from({ length: connections }, () =>
      drive(hostname, Number(port), request, start + seconds * 1000),
    ),
  );
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - start) / 1000);
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
if (!isMainThread) parentPort?.postMessage(await run(workerData as LoadOptions));
