/** Sends a request that somebody signed, just as it was signed. */
import { type IncomingMessage, request } from "node:http";

export interface SignedRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Status and S3's error code: `403 SignatureDoesNotMatch`. */
export async function sendSigned(
  { url, headers }: SignedRequest,
  body: Uint8Array | string,
  method = "PUT",
): Promise<string> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, resolve);
    outgoing.on("error", reject);
    outgoing.end(body);
  });
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return `${response.statusCode} ${/<Code>(.*?)<\/Code>/.exec(text)?.[1] ?? ""}`.trim();
}
