/**
 * The key that a local origin proves itself with: made once for this state, its public half handed
 * to the edge beside it.
 */
import { generateOriginKey, type PublicJwk, publicJwkOf, readOriginKey } from "../channel/key.ts";
import { secretFile } from "./secret-file.ts";

export interface OriginKeyFile {
  /** Holds the private JWK. */
  readonly file: string;
  /** The public JWK, as ORIGIN_KEYS wants it. */
  readonly publicKey: PublicJwk;
}

/** The key in `file`, made when it is not there. */
export async function originKey(file: string): Promise<OriginKeyFile> {
  const text = await secretFile(file, () => `${generateOriginKey().privateKey}\n`);
  return { file, publicKey: publicJwkOf(readOriginKey(text)) };
}
