/** The origins of the farm's tests: their keys, and what they sign. */
import { signer } from "../../../origin/channel/sign.ts";
import type { Sign } from "../../../edge/contract/signatures.ts";
import { generateOriginKey, type OriginKey } from "../../../origin/channel/index.ts";
import { readOriginKey } from "../../../origin/channel/key.ts";

export const keys: Readonly<Record<string, OriginKey>> = {
  a: generateOriginKey(),
  b: generateOriginKey(),
  c: generateOriginKey(),
};

export const signOf = (name: string): Sign => signer(readOriginKey(keys[name]?.privateKey ?? ""));
