/** A Worker that composes what it is sent, for workerd.test.ts. */
import { type ComposeInput, compose } from "../../../edge/compose/compose.ts";

export interface Order {
  readonly input: ComposeInput;
  /** Listing blobs by digest, one byte a number. */
  readonly blobs: Readonly<Record<string, readonly number[]>>;
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { input, blobs } = (await request.json()) as Order;
    const image = await compose(input, (digest, { offset, length }) =>
      Promise.resolve(Uint8Array.from(blobs[digest] ?? []).subarray(offset, offset + length)),
    );
    return Response.json({
      record: image.record,
      blobs: image.blobs.map(({ digest, mediaType, size }) => ({ digest, mediaType, size })),
    });
  },
};
