/**
 * What the routes of the operator API share: reading a request, answering JSON, and the error 400.
 */
import { ORIGIN_NAME_PATTERN, ORIGIN_NAME_RULE } from "../contract/fields.ts";
import { RegistryError } from "../pull/errors.ts";
import type { OperatorRequest } from "./authorize.ts";

/** The route's `:origin`. Throws 400 when it is not a valid origin name. */
export function originOf({ params }: OperatorRequest): string {
  // As it stands in the URL: no name has a character that would be escaped there.
  const name = params["origin"] ?? "";
  if (!ORIGIN_NAME_PATTERN.test(name)) throw wrong(`an origin's name is ${ORIGIN_NAME_RULE}`);
  return name;
}

/** A 400 that says what the request should be. */
export const wrong = (message: string): RegistryError =>
  new RegistryError({ code: "UNSUPPORTED", status: 400, message });

/** A JSON answer that no cache keeps. */
export const json = (value: object): Response =>
  Response.json(value, { headers: { "Cache-Control": "no-store" } });
