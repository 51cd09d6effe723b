/**
 * As much of Protocol Buffers' wire format as the messages of the CRI's image service take: strings
 * and messages within messages are written; numbers are also read.
 * protobuf.dev/programming-guides/encoding
 *
 *   field 1, "hi"   0a 02 68 69    tag = field << 3 | 2 (length-delimited), length, bytes
 */

/** A message: by field number a string, or a message that is encoded already. */
export function encode(fields: Readonly<Record<number, string | Uint8Array>>): Buffer {
  const parts = Object.entries(fields).map(([field, value]) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([
      varint(Number(field) * 8 + LENGTH_DELIMITED),
      varint(bytes.length),
      bytes,
    ]);
  });
  return Buffer.concat(parts);
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** The length-delimited fields of a message, in their order. Throws where it is cut off. */
export function decode(message: Buffer): { readonly field: number; readonly bytes: Buffer }[] {
  const found: { field: number; bytes: Buffer }[] = [];
  let at = 0;
  const number = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = message.readUInt8(at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = number();
    const kind = tag % 8;
    const value = number();
    if (kind === VARINT) continue;
    if (kind !== LENGTH_DELIMITED) throw new Error(`wire type ${kind} of field ${tag >> 3}`);
    if (at + value > message.length) throw new Error(`field ${tag >> 3} is cut off`);
    found.push({ field: tag >> 3, bytes: message.subarray(at, (at += value)) });
  }
  return found;
}

const varint = (value: number): Buffer =>
  value < 128
    ? Buffer.from([value])
    : Buffer.concat([Buffer.from([128 + (value % 128)]), varint(Math.floor(value / 128))]);
