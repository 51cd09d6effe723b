/** Secrets that are made on this machine and kept in the state directory, for its owner alone. */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { generateOriginKey, publicKeyOf, readOriginKey } from "../channel/key.ts";
import { writeWhole } from "../disk/write-whole.ts";

/** The public half (for ORIGINS) of the private key in `file`, which is made the first time. */
export async function originPublicKey(file: string): Promise<string> {
  const text = await secretFile(file, () => `${generateOriginKey().privateKey}\n`);
  return publicKeyOf(readOriginKey(text));
}

export interface BucketCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The local bucket's credentials in `file`, which are made at random the first time. */
export async function bucketCredentials(file: string): Promise<BucketCredentials> {
  return JSON.parse(await secretFile(file, randomCredentials)) as BucketCredentials;
}

const randomCredentials = (): string =>
  JSON.stringify({
    accessKeyId: randomBytes(16).toString("hex"),
    secretAccessKey: randomBytes(32).toString("hex"),
  } satisfies BucketCredentials);

/**
 * The text of a file, which `make` makes the first time. The file is on the disk before its text is
 * used, so that no power failure leaves an empty key.
 */
async function secretFile(path: string, make: () => string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const text = make();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeWhole(path, (temporary) => writeFile(temporary, text, { flush: true }), 0o600);
  return text;
}
