/**
 * What a layer was first packed to, by any origin. The edge has the records, made from the
 * statements of origins; a record counts here when an origin has signed it with a public key that
 * the edge sends along.
 */
import type { KnownLayer as Answer } from "../../edge/contract/bucket-requests.ts";
import {
  type Codec,
  CODECS,
  type LayerRecord,
  type LayerStatement,
} from "../../edge/contract/records.ts";
import { vouchersOf } from "../../edge/contract/signatures.ts";

/** What is stated of a layer, by codec. */
export type KnownLayer = Partial<Record<Codec, LayerStatement>>;

/** The records of this layer in an answer of the edge that count. */
export async function vouched(key: string, answer: Answer): Promise<KnownLayer> {
  const known: KnownLayer = {};
  for (const codec of CODECS) {
    const { record, keys } = answer[codec] ?? {};
    if (record?.key !== key || record.codec !== codec) continue;
    const keyOf = (name: string): string | undefined =>
      keys !== undefined && Object.hasOwn(keys, name) ? keys[name] : undefined;
    if ((await vouchersOf(record, keyOf)).length > 0) known[codec] = statementOf(record);
  }
  return known;
}

function statementOf({ signed: _signed, ...statement }: LayerRecord): LayerStatement {
  return statement;
}
