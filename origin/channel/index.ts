/** An origin's end of the channel to an edge. */
export { connect } from "./connection.ts";
export { DestinationRefused, Destinations } from "./destinations.ts";
export { generateOriginKey, type OriginKey } from "./key.ts";
export type { Run, RunContext } from "./run.ts";
export { type CacheRequests, type JobRequests, RequestError } from "./requests.ts";
export { SignedRequests } from "./signed-requests.ts";
export { Slots } from "./slots.ts";
export type { Channel, ChannelState, ChannelStatus, ConnectOptions } from "./types.ts";
