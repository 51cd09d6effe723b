/**
 * The AWS SDK's S3 client, for any bucket with that protocol: R2, MinIO, the one of `npm start`.
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

/** Time limits of connecting and of waiting for an answer, ms. */
const CONNECT_MS = 10_000;
const SILENCE_MS = 120_000;

/** With the proxy of the environment, and time limits. */
const REQUESTS = {
  httpAgent: { proxyEnv: process.env },
  httpsAgent: { proxyEnv: process.env },
  connectionTimeout: CONNECT_MS,
  socketTimeout: SILENCE_MS,
};

/** A client for a bucket. `more`: further settings of the SDK. */
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
