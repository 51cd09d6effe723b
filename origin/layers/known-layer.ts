/**
 * What a layer was packed to the first time, by any origin. The edge has the records, from what
 * origins state of the layers that they make; one counts here when an origin has signed it by a key
 * that the edge gives with it.
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
