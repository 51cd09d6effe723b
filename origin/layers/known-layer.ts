/**
 * What a layer was packed to the first time, by any origin. The edge has the records, from what
 * origins state of the layers that they make; one counts here when an origin that the edge names has
 * signed it.
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

/** Public keys of the origins whose records count, by name. */
export type OriginKeys = Readonly<Record<string, string>>;

/** The records of this layer in an answer of the edge that count. */
export async function vouched(
  key: string,
  answer: Answer,
  origins: OriginKeys,
): Promise<KnownLayer> {
  const known: KnownLayer = {};
  for (const codec of CODECS) {
    const record = answer[codec]?.record;
    if (record?.key !== key || record.codec !== codec) continue;
    if ((await vouchersOf(record, (name) => origins[name])).length > 0)
      known[codec] = statementOf(record);
  }
  return known;
}

function statementOf({ signed: _signed, ...statement }: LayerRecord): LayerStatement {
  return statement;
}
