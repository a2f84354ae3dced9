import type { Socket } from "node:net";

/** What every HTTP/2 connection begins with (RFC 9113, section 3.4). No HTTP/1.1 request can. */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

/**
 * Waits until the first bytes tell which protocol the client speaks, and leaves them on the socket to be read again.
 * Calls back at most once; never if the client goes, or does not decide within `timeout` milliseconds, and is hung up on.
 */
export function detectProtocol(socket: Socket, timeout: number, decided: (http2: boolean) => void): void {
  let seen = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), timeout);
  const hangUp = () => socket.destroy();

  const look = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const http2 = isHttp2(seen);
    if (http2 === undefined) return;
    stop();
    socket.unshift(seen);
    decided(http2);
  };
  const stop = () => {
    clearTimeout(timer);
    socket.off("readable", look).off("error", hangUp).off("end", hangUp).off("close", stop);
  };
  socket.on("readable", look).on("error", hangUp).on("end", hangUp).on("close", stop);
}

/** Undefined: these bytes could still become a preface. */
function isHttp2(bytes: Buffer): boolean | undefined {
  const length = Math.min(bytes.length, PREFACE.length);
  if (bytes.compare(PREFACE, 0, length, 0, length) !== 0) return false;
  return length === PREFACE.length ? true : undefined;
}
