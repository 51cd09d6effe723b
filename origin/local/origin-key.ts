/** The key that a local origin proves itself with: made once for this state, its public half handed to the edge beside it. */
import { generateOriginKey } from "../channel/key.ts";
import { secretFile } from "./secret-file.ts";

export interface OriginKeyFile {
  /** Holds the private JWK. */
  readonly file: string;
  /** The public JWK, as ORIGIN_KEYS wants it. */
  readonly publicKey: { readonly kty: string; readonly crv: string; readonly x: string };
}

/** The key in `file`, made when it is not there. */
export async function originKey(file: string): Promise<OriginKeyFile> {
  const text = await secretFile(file, async () => `${(await generateOriginKey()).privateKey}\n`);
  // RFC 8037, section 2: a private Ed25519 JWK holds the public one.
  const { kty, crv, x } = JSON.parse(text) as OriginKeyFile["publicKey"];
  return { file, publicKey: { kty, crv, x } };
}
