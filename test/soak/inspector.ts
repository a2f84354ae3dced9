import type { ServiceProcess } from "../support/process.ts";

/** How long an inspector may take to open or to answer, in milliseconds. A busy machine is slow. */
const PATIENCE = 20_000;

/** What processes need so that each opens its inspector at a port of its own when it is asked to. Until then, it makes no difference. */
export const ANY_INSPECTOR_PORT = { NODE_OPTIONS: "--import=data:text/javascript,process.debugPort=0" };

/** A look into a process that runs, by the protocol of Node's inspector. */
export interface Inspector {
  readonly pid: number;
  /** Runs an expression there and answers its value, which must be JSON. */
  evaluate<T>(expression: string): Promise<T>;
  /** Collects all garbage, and answers what a function makes of the array of all objects that inherit from this prototype. */
  overInstances<T>(prototype: string, summarize: string): Promise<T>;
  close(): void;
}

/** An object there, as the protocol tells of it. */
interface RemoteObject {
  readonly objectId?: string;
  readonly value?: unknown;
}

interface Answer {
  readonly result?: RemoteObject;
  readonly objects?: RemoteObject;
  readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
}

type Send = (method: string, params?: object) => Promise<Answer>;

/**
 * Opens the inspectors of a service's processes as an operator would, with SIGUSR1: Node passes it on from a primary to its workers.
 *
 * @param count how many processes it has.
 */
export async function openInspectors(service: ServiceProcess, count: number): Promise<Inspector[]> {
  const printed = service.stderr().length;
  service.child.kill("SIGUSR1");
  const addresses = await untilPrinted(service, printed, count);
  return Promise.all(addresses.map(openInspector));
}

async function openInspector(address: string): Promise<Inspector> {
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", () => reject(new Error("nobody at the address of an inspector")));
  });
  const send = speakOver(socket);
  const evaluate = async <T>(expression: string): Promise<T> =>
    valueIn(await send("Runtime.evaluate", { expression, returnByValue: true }));
  return {
    pid: await evaluate("process.pid"),
    evaluate,
    async overInstances<T>(prototype: string, summarize: string) {
      const objectGroup = "instances";
      try {
        const { result } = await send("Runtime.evaluate", { expression: prototype, objectGroup });
        const { objects } = await send("Runtime.queryObjects", { prototypeObjectId: result?.objectId, objectGroup });
        const call = { objectId: objects?.objectId, functionDeclaration: summarize, returnByValue: true };
        return valueIn<T>(await send("Runtime.callFunctionOn", call));
      } finally {
        await send("Runtime.releaseObjectGroup", { objectGroup });
      }
    },
    close: () => socket.close(),
  };
}

function speakOver(socket: WebSocket): Send {
  const waiting = new Map<number, PromiseWithResolvers<Answer>>();
  let last = 0;
  socket.addEventListener("message", ({ data }) => {
    const { id, result, error } = JSON.parse(String(data));
    const call = waiting.get(id);
    waiting.delete(id);
    if (error) call?.reject(new Error(`the inspector refused: ${error.message}`));
    else call?.resolve(result);
  });
  return (method, params = {}) => {
    const call = Promise.withResolvers<Answer>();
    const id = ++last;
    waiting.set(id, call);
    socket.send(JSON.stringify({ id, method, params }));
    const timer = setTimeout(() => call.reject(new Error(`the inspector did not answer ${method}`)), PATIENCE);
    return call.promise.finally(() => clearTimeout(timer));
  };
}

function valueIn<T>({ result, exceptionDetails: failure }: Answer): T {
  if (failure) throw new Error(`it failed there: ${failure.exception?.description ?? failure.text}`);
  return result?.value as T;
}

function untilPrinted(service: ServiceProcess, from: number, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const found = service
        .stderr()
        .slice(from)
        .matchAll(/Debugger listening on (ws:\S+)\s/g);
      const addresses = [...found].map(([, address = ""]) => address);
      if (addresses.length >= count) finish(() => resolve(addresses));
    };
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      service.child.stderr.off("data", look);
      settle();
    };
    const fail = () => reject(new Error(`no ${count} inspectors were opened`));
    const timer = setTimeout(() => finish(fail), PATIENCE);
    service.child.stderr.on("data", look);
    look();
  });
}
