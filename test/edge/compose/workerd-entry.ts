/** A Worker that composes what it is sent, and reads listings by HTTP, for workerd.test.ts. */
import { type ComposeInput, compose } from "../../../edge/compose/compose.ts";
import { InvalidName } from "../../../edge/contract/names.ts";

export interface Order {
  readonly input: ComposeInput;
  /** Where listing blobs are: the URL of each ends in its digest. */
  readonly listings: string;
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { input, listings } = (await request.json()) as Order;
    try {
      const image = await compose(input, async (digest, { offset, length }) => {
        const range = `bytes=${offset}-${offset + length - 1}`;
        const response = await fetch(listings + digest, { headers: { range } });
        return new Uint8Array(await response.arrayBuffer());
      });
      return Response.json({
        image: image.image,
        origins: image.origins,
        blobs: image.blobs.map(({ digest, mediaType, size }) => ({ digest, mediaType, size })),
      });
    } catch (error) {
      if (error instanceof InvalidName) return new Response(error.message, { status: 400 });
      throw error;
    }
  },
};
