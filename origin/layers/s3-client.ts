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

/** Its requests go by the proxy that the environment names; for `requestHandler`. */
export const BY_PROXY = {
  httpAgent: { proxyEnv: process.env },
  httpsAgent: { proxyEnv: process.env },
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
    requestHandler: BY_PROXY,
    ...more,
  });
}
