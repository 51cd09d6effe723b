/**
 * The record of a layer that some origin has packed. The edge has the records; one counts here when
 * an origin has signed it with a public key that the edge sends along.
 */
import type { KnownLayer as Answer } from "../../edge/contract/bucket-requests.ts";
import {
  type Codec,
  CODECS,
  type LayerRecord,
  type LayerStatement,
} from "../../edge/contract/records.ts";
import { vouchersOf } from "../../edge/contract/signatures.ts";

/** The statements about a layer, by codec. */
export type KnownLayer = Partial<Record<Codec, LayerStatement>>;

/** The statements in the edge's answer that are about this layer and have a valid signature. */
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
