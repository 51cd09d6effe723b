/**
 * Whose signatures count. An origin is in force while ORIGINS has its key and no operator has
 * revoked it; a record counts when origins of enough different owners (AGREE) that are in force
 * signed it.
 */
import type { LayerRecord } from "../../contract/records.ts";
import { vouchersOf } from "../../contract/signatures.ts";

export interface Trust {
  /** The public key (`x` of the JWK) of an origin in force; undefined for any other. */
  readonly keyOf: (origin: string) => string | undefined;
  readonly ownerOf: (origin: string) => string;
  /** Origins of so many owners must have made the same. */
  readonly agree: () => Promise<number>;
}

/** Whether origins of enough owners have signed a record. */
export async function isTrusted(record: LayerRecord, trust: Trust): Promise<boolean> {
  const vouchers = await vouchersOf(record, trust.keyOf);
  return new Set(vouchers.map(trust.ownerOf)).size >= (await trust.agree());
}
