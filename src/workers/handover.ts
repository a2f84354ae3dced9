import type { Worker } from "node:cluster";

type Child = Worker["process"];
interface Connection {
  close(): void;
}

/**
 * Watches which connection is on its way to a worker. Node hands them over one at a time, and closes its own side when the worker has
 * taken the connection; but if the worker dies meanwhile, nobody closes it, and the client waits for an answer for ever.
 *
 * @returns closes the last one, to be called when the worker has ended. Does nothing to one that was taken, or refused.
 */
export function watchHandover(child: Child): () => void {
  // Where there was no process to be had, there may be no channel either.
  if (!child.connected) return () => {};
  let last: Connection | undefined;
  const send = child.send.bind(child) as (...words: unknown[]) => boolean;
  child.send = (...words: unknown[]) => {
    // Of messages of our own, the second word is a callback.
    if (typeof words[1] === "object") last = words[1] as Connection;
    return send(...words);
  };
  return () => last?.close();
}
