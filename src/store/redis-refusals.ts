import { Command } from "ioredis";
import type { Address } from "./redis-location.ts";
import type { ScriptedRedis } from "./redis-scripts.ts";

/**
 * Why a node of a cluster did not carry out a command. Nothing of the command was done.
 *
 * - `moved`: the slot is another node's.
 * - `ask`: the key is on its way to another node, which has it, or is to get it.
 * - `again`: a part of the keys is on its way to another node.
 * - `down`: the node knows of no cluster that could serve the slot.
 */
export type Refusal =
  | { readonly refusal: "moved" | "ask"; readonly address: Address }
  | { readonly refusal: "again" | "down" };

/** What an answer of a node refuses, if it does. */
export function refusalIn(error: unknown, node: Address): Refusal | undefined {
  if (!(error instanceof Error) || error.name !== "ReplyError") return undefined;
  const [word, , place = ""] = error.message.split(" ");
  switch (word) {
    case "MOVED":
      return { refusal: "moved", address: addressIn(place, node) };
    case "ASK":
      return { refusal: "ask", address: addressIn(place, node) };
    case "TRYAGAIN":
      return { refusal: "again" };
    case "CLUSTERDOWN":
      return { refusal: "down" };
    default:
      return undefined;
  }
}

/** A node that does not know under which name others reach it leaves the host out, or says `?`: it is that of who answered. */
function addressIn(place: string, node: Address): Address {
  const colon = place.lastIndexOf(":");
  const host = place.slice(0, colon);
  return { host: host && host !== "?" ? host : node.host, port: Number(place.slice(colon + 1)) };
}

/** The client, but each of its commands may find keys that are on their way to this node. Not for pipelines. */
export function askingClient(client: ScriptedRedis): ScriptedRedis {
  const sendCommand: ScriptedRedis["sendCommand"] = (command, stream) => {
    // It holds for one command. Scripts send theirs a second time where the node does not know them yet.
    const asking = new Command("asking");
    asking.promise.catch(() => {});
    client.sendCommand(asking);
    return client.sendCommand(command, stream);
  };
  return Object.create(client, { sendCommand: { value: sendCommand } });
}
