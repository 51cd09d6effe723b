/** How an S3-compatible endpoint is reached, and the client that signs requests to it. */
import { AwsClient } from "aws4fetch";

export interface S3Config {
  /**
   * `https://host` with an optional path; the bucket is addressed path-style below it, which every
   * service knows.
   */
  readonly endpoint: string;
  /** The same for those who are given signed requests, where they reach it by another address. */
  readonly publicEndpoint?: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** One client for each configuration: it keeps the signing key, which holds for a day. */
const clients = new WeakMap<S3Config, AwsClient>();

/** The client that signs requests to this endpoint. */
export function clientOf(config: S3Config): AwsClient {
  let client = clients.get(config);
  if (!client) {
    const { region, accessKeyId, secretAccessKey } = config;
    // bucketOperation retries: aws4fetch's own retries would multiply that, and leave network
    // errors out.
    clients.set(
      config,
      (client = new AwsClient({ service: "s3", region, accessKeyId, secretAccessKey, retries: 0 })),
    );
  }
  return client;
}

/** The URL of an object; without a key, of the bucket itself. */
export function objectUrl({ endpoint, bucket }: S3Config, key: string): string {
  const path = key.split("/").map(encodeURIComponent).join("/");
  return `${endpoint.replace(/\/+$/, "")}/${bucket}/${path}`;
}
