/**
 * The S3 client for any bucket that speaks the protocol: R2, MinIO, the emulator of `npm start`.
 */
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";

export interface BucketAccess {
  /** URL of the S3 endpoint, without the bucket. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Limits of the wait for a connection and for an answer on it, milliseconds. */
const CONNECT_MS = 10_000;
const SILENCE_MS = 120_000;

/** Requests go by the proxy that the environment names, and end where nobody answers. */
const REQUESTS = {
  httpAgent: { proxyEnv: process.env },
  httpsAgent: { proxyEnv: process.env },
  connectionTimeout: CONNECT_MS,
  socketTimeout: SILENCE_MS,
};

export function s3Client(access: BucketAccess, more: S3ClientConfig = {}): S3Client {
  return new S3Client({
    endpoint: access.endpoint,
    region: access.region,
    credentials: { accessKeyId: access.accessKeyId, secretAccessKey: access.secretAccessKey },
    forcePathStyle: true,
    // R2 and others do not know the SDK's newer checksums; blobs are named by their SHA-256 anyway.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: REQUESTS,
    ...more,
  });
}
