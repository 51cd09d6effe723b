/** The bytes of a layer plan, as a bucket sends them. */

/**
 * Largest layer plan, bytes: four times that of all nixpkgs (120,000 names at 70 bytes). It is read
 * whole, and parsed to ten times as much memory.
 */
export const MAX_PLAN_BYTES = 32 * 2 ** 20;

/** What a bucket has, or begins to send, is no layer plan; reading it again would not help. */
export class PlanTooLarge extends Error {
  override name = "PlanTooLarge";

  constructor(name: string) {
    super(`${name} has more than ${MAX_PLAN_BYTES} bytes, the most of a layer plan`);
  }
}

/**
 * All of a body; `name`: what it is, for the error. Throws a PlanTooLarge as soon as it is one, and
 * what the body throws.
 */
export async function planBytes(
  body: AsyncIterable<Uint8Array>,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop destroys the body.
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_PLAN_BYTES) throw new PlanTooLarge(name);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
