import type { Socket } from "node:net";

/** How long a client may take to learn that the connection ends. */
export const FAREWELL_MS = 1000;

/**
 * Lets out what was written, and waits a while for the client to hang up, too: what is closed while something comes in, TCP resets,
 * and what is still on its way to the client is lost.
 */
export function hangUp(socket: Socket): void {
  // Read on, and to nobody, even if reading was stopped.
  socket.resume();
  socket.end(() => destroySoon(socket));
}

/** Whatever is not out by then, nobody waits for. */
export function destroySoon(socket: Socket): void {
  setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
}
