/**
 * Whose signatures count. An origin's key is valid while ORIGINS has it and no operator has revoked
 * the origin; a record counts when origins of enough different owners (AGREE) signed it with valid
 * keys.
 */
import type { LayerRecord } from "../../contract/records.ts";
import { vouchersOf } from "../../contract/signatures.ts";

export interface Trust {
  /** The valid public key (`x` of the JWK) of an origin; undefined when it has none. */
  readonly keyOf: (origin: string) => string | undefined;
  readonly ownerOf: (origin: string) => string;
  /** How many owners' origins must have made the same. */
  readonly agree: () => Promise<number>;
}

/** Whether origins of enough owners have signed a record. */
export async function isTrusted(record: LayerRecord, trust: Trust): Promise<boolean> {
  const vouchers = await vouchersOf(record, trust.keyOf);
  return new Set(vouchers.map(trust.ownerOf)).size >= (await trust.agree());
}
