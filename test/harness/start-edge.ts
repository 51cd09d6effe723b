/** The edge on one's own server, on a port that no other test gets (ports.ts). */
import { type Edge, type EdgeOptions, startEdge } from "../../origin/server/edge.ts";
import { ownPort } from "./ports.ts";

/** As `startEdge`; without a port on one of its own. */
export const startOwnEdge = async (options: EdgeOptions): Promise<Edge> =>
  startEdge({ ...options, port: options.port ?? (await ownPort()) });
