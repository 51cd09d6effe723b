/** The bucket as its operator uses it: unlike an origin, it lists keys and writes pointers. */
import {
  GetObjectCommand,
  NoSuchKey,
  paginateListObjectsV2,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import type { BucketAccess } from "../layers/index.ts";
import { planBytes } from "../layers/plan-bytes.ts";
import { s3Client } from "../layers/s3-client.ts";

export interface OperatorBucket {
  /** Keys with a prefix, in order. */
  list(prefix: string): AsyncIterable<string>;
  /** Null when it is not there. Throws for what is longer than a layer plan may be. */
  get(key: string): Promise<Uint8Array<ArrayBuffer> | null>;
  put(key: string, text: string, contentType: string): Promise<void>;
}

/** Opens a bucket. Its methods throw Errors that name the bucket, after the SDK's few attempts. */
export function operatorBucket(access: BucketAccess): OperatorBucket {
  const client = s3Client(access);
  const Bucket = access.bucket;
  const failed = (doing: string, error: unknown): Error => {
    const { name, message } = error as Error;
    const where = `the bucket ${Bucket} at ${access.endpoint}`;
    return new Error(`${where} cannot be ${doing}: ${message || name}`, { cause: error });
  };
  return {
    async *list(prefix) {
      try {
        for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix: prefix })) {
          for (const { Key } of page.Contents ?? []) if (Key !== undefined) yield Key;
        }
      } catch (error) {
        throw failed("listed", error);
      }
    },
    async get(key) {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key }));
        return await planBytes((Body ?? []) as AsyncIterable<Uint8Array>, key);
      } catch (error) {
        if (error instanceof NoSuchKey) return null;
        throw failed("read", error);
      }
    },
    async put(key, text, contentType) {
      const command = new PutObjectCommand({
        Bucket,
        Key: key,
        Body: text,
        ContentType: contentType,
      });
      await client.send(command).catch((error: unknown) => {
        throw failed("written", error);
      });
    },
  };
}
