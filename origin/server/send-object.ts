/** Sends an object of the bucket: HEAD, and GET of the whole or of one range. */
import type { FileHandle } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import parseRange from "range-parser";
import type { DirectoryBucket, ObjectInfo } from "./directory.ts";
import { S3Error } from "./s3-answers.ts";

/** A file is read in pieces of this size, bytes: 64 kB takes more CPU time, 1 MiB no less. */
const READ_BYTES = 2 ** 18;
/** What range-parser returns instead of ranges. */
const UNSATISFIABLE = -1;
const UNREADABLE = -2;

/** Answers HEAD or GET. Throws an S3Error: no such key, or a range beyond the object. */
export async function sendObject(
  request: IncomingMessage,
  response: ServerResponse,
  directory: DirectoryBucket,
  key: string,
): Promise<void> {
  if (request.method === "HEAD") {
    const found = await directory.head(key);
    if (found === null) throw absent(key);
    response.writeHead(200, { ...headersOf(found), "Content-Length": found.size }).end();
    return;
  }
  const found = await directory.read(key);
  if (found === null) throw absent(key);
  try {
    const range = rangeOf(request, found.size);
    const { start, end } = range ?? { start: 0, end: found.size - 1 };
    const length = end - start + 1;
    const first = Buffer.allocUnsafe(Math.min(length, READ_BYTES));
    await fill(first, found.file, start);
    response.writeHead(range === undefined ? 200 : 206, {
      ...headersOf(found),
      "Content-Length": length,
      ...(range && { "Content-Range": `bytes ${start}-${end}/${found.size}` }),
    });
    if (first.length === length) response.end(first);
    else await pipeline(pieces(first, found.file, { start, length }), response);
  } finally {
    await found.file.close();
  }
}

/**
 * A part of a file, all of it in one buffer, which holds the first piece: a stream, with a new
 * buffer for each piece, takes twice the CPU time. A piece is valid until the next one is
 * requested; `pipeline` requests it when a piece larger than the response's highWaterMark has been
 * sent.
 */
async function* pieces(
  buffer: Buffer,
  file: FileHandle,
  { start, length }: { readonly start: number; readonly length: number },
): AsyncGenerator<Buffer> {
  yield buffer;
  for (let at = buffer.length; at < length; at += buffer.length) {
    const piece = buffer.subarray(0, length - at);
    await fill(piece, file, start + at);
    yield piece;
  }
}

async function fill(piece: Buffer, file: FileHandle, start: number): Promise<void> {
  const { bytesRead } = await file.read(piece, 0, piece.length, start);
  if (bytesRead !== piece.length) throw new Error(`the file has ended at ${start + bytesRead}`);
}

/** Undefined for the whole object: no range is requested, or none that must be honoured. */
function rangeOf({ headers }: IncomingMessage, size: number) {
  const ranges = headers.range === undefined ? UNREADABLE : parseRange(size, headers.range);
  if (ranges === UNSATISFIABLE)
    throw new S3Error(416, "InvalidRange", `the object has ${size} bytes`);
  return ranges === UNREADABLE || ranges.length > 1 ? undefined : ranges[0];
}

const headersOf = ({ contentType, writtenAt }: ObjectInfo) => ({
  "Content-Type": contentType,
  "Last-Modified": writtenAt.toUTCString(),
  "Accept-Ranges": "bytes",
});

const absent = (key: string): S3Error => new S3Error(404, "NoSuchKey", `there is no ${key}`);
