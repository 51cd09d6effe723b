/** S3's answers in XML: a listing (ListObjectsV2), and the errors. */
import type { ServerResponse } from "node:http";
import type { ListedKey } from "./directory.ts";

/** The answer to a request that fails, in S3's terms. */
export class S3Error extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** The answer to an error of the system, by its name (errno(3)). */
export function systemError(name: string | undefined): S3Error {
  switch (name) {
    case "ENOSPC":
    case "EDQUOT":
      return new S3Error(507, "InsufficientStorage", "the disk is full");
    case "EMFILE":
    case "ENFILE":
      return new S3Error(503, "SlowDown", "too many files are open: try again");
    default:
      return new S3Error(500, "InternalError", "the directory cannot be read or written");
  }
}

/** An error as S3 writes it. */
export const errorText = (code: string, message: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code>` +
  `<Message>${escapeXml(message)}</Message></Error>`;

/** One page of a listing; `limit`: most objects in it. */
export function listing({
  bucket,
  prefix,
  limit,
  objects,
  more,
}: {
  readonly bucket: string;
  readonly prefix: string;
  readonly limit: number;
  readonly objects: readonly ListedKey[];
  readonly more: boolean;
}): string {
  const last = objects.at(-1)?.key;
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n` +
    `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>${escapeXml(bucket)}</Name>` +
    `<Prefix>${escapeXml(prefix)}</Prefix><KeyCount>${objects.length}</KeyCount>` +
    `<MaxKeys>${limit}</MaxKeys><IsTruncated>${more}</IsTruncated>` +
    (more && last !== undefined
      ? `<NextContinuationToken>${escapeXml(last)}</NextContinuationToken>`
      : "") +
    objects
      .map(
        ({ key, size, writtenAt }) =>
          `<Contents><Key>${escapeXml(key)}</Key><LastModified>${writtenAt.toISOString()}` +
          `</LastModified><Size>${size}</Size></Contents>`,
      )
      .join("") +
    `</ListBucketResult>`
  );
}

/** Answers with XML. */
export function sendXml(response: ServerResponse, status: number, text: string): void {
  response
    .writeHead(status, {
      "Content-Type": "application/xml",
      "Content-Length": Buffer.byteLength(text),
    })
    .end(text);
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
const escapeXml = (text: string): string =>
  text.replaceAll(/[&<>]/g, (character) => ENTITIES[character] ?? character);
