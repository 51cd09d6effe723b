/**
 * `firn serve`: the edge on one's own server, without Cloudflare. It takes the Worker's variables
 * from its environment, listens for clients and origins, and keeps everything in one directory.
 * Origins run beside it (`firn origin`), here or on other machines.
 */
import { resolve } from "node:path";
import { isLoopback } from "../../edge/contract/loopback.ts";
import type { BucketAccess } from "../layers/index.ts";
import { CommandFailed } from "../commands/exit-codes.ts";
import { lockState } from "../local/lock.ts";
import { writeOutput } from "../output-lines.ts";
import { aborted, stopSignal } from "../stop-signal.ts";
import { startEdge } from "./edge.ts";
import { variablesOf } from "./variables.ts";
import { checkVariables } from "./worker-check.ts";
import type { EdgeLog } from "./workerd.ts";

export interface ServeOptions {
  readonly packageSet: string;
  readonly host: string;
  readonly port: number;
  readonly stateDir: string;
  /** Port of 127.0.0.1 for the bucket's directory. */
  readonly bucketPort: number;
  /** By which URL origins on other machines reach that port. */
  readonly bucketUrl?: string | undefined;
}

const say = (line: string): void => writeOutput(1, `${line}\n`);

/**
 * Runs until SIGINT or SIGTERM. Throws an Error for a person when it cannot start, and when workerd
 * ends by itself: whoever supervises the process starts it again.
 */
export async function serve(options: ServeOptions, env: NodeJS.ProcessEnv): Promise<void> {
  const stateDir = resolve(options.stateDir);
  const variables = { ...variablesOf(env), PACKAGE_SET: options.packageSet };
  const bucket = bucketElsewhere(variables);
  await checkVariables(variables);
  const stopped = aborted(stopSignal());
  const unlock = await lockState(stateDir);
  try {
    const edge = await startEdge({
      host: options.host,
      ...(options.port === 0 ? {} : { port: options.port }),
      inherited: hasSocketOfSystemd(env),
      stateDir,
      bucket,
      bucketPort: options.bucketPort,
      env: {
        ...(options.bucketUrl === undefined ? {} : { S3_PUBLIC_ENDPOINT: options.bucketUrl }),
        ...variables,
      },
      log,
    });
    try {
      for (const warning of warnings(options, variables, bucket)) say(`firn: warning: ${warning}`);
      say(`firn: listening at ${edge.url}; state is kept in ${stateDir}`);
      const ended = edge.ended.then((how) => {
        throw new Error(`workerd ended by itself (${how})`);
      });
      await Promise.race([stopped, ended]);
      say("firn: stopping");
    } finally {
      await edge.stop();
    }
  } finally {
    unlock();
  }
}

/** The Worker's own lines are JSON, and go on as they are. */
function log({ level, message }: EdgeLog): void {
  const line = message.startsWith("{") ? message : JSON.stringify({ level, message });
  writeOutput(level === "error" || level === "warn" ? 2 : 1, `${line}\n`);
}

/**
 * systemd.socket(5), sd_listen_fds(3): LISTEN_PID names who is meant, the first descriptor is 3.
 */
const hasSocketOfSystemd = ({ LISTEN_PID, LISTEN_FDS }: NodeJS.ProcessEnv): boolean =>
  LISTEN_FDS === "1" && LISTEN_PID === String(process.pid);

/** Undefined: the bucket is a directory here. Throws a CommandFailed when some of S3_* is missing. */
function bucketElsewhere(variables: Readonly<Record<string, string>>): BucketAccess | undefined {
  const { S3_ENDPOINT, S3_BUCKET, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = variables;
  if (S3_ENDPOINT && S3_BUCKET && S3_ACCESS_KEY_ID && S3_SECRET_ACCESS_KEY)
    return {
      endpoint: S3_ENDPOINT,
      bucket: S3_BUCKET,
      region: S3_REGION ?? "auto",
      accessKeyId: S3_ACCESS_KEY_ID,
      secretAccessKey: S3_SECRET_ACCESS_KEY,
    };
  const needed = { S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY };
  const names = Object.keys(needed) as (keyof typeof needed)[];
  const missing = names.filter((name) => !needed[name]);
  if (missing.length === names.length) return undefined;
  throw new CommandFailed(
    "usage",
    `${missing.join(", ")} must be set too: a bucket by the S3 protocol takes ${names.join(", ")}; ` +
      "without all of them the bucket is a directory of this machine",
  );
}

function warnings(
  { host, bucketUrl }: ServeOptions,
  { EDGE_HOST, ORIGINS }: Readonly<Record<string, string>>,
  bucket: BucketAccess | undefined,
): string[] {
  const isForOthers = !isLoopback(host) || (EDGE_HOST !== undefined && !isLoopback(EDGE_HOST));
  return [
    ...(ORIGINS === undefined
      ? ["ORIGINS is not set, so nothing can be built: `firn keygen` makes a line of it"]
      : []),
    ...(isForOthers && bucket === undefined && bucketUrl === undefined
      ? [
          "BUCKET_URL is not set, so only origins on this machine can store what they build: it " +
            "is the URL by which others reach the bucket's port",
        ]
      : []),
  ];
}
