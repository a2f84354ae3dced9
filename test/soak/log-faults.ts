/** What a service on a Redis without a second disk, and with guests who present spent secrets, says as a warning. */
const EXPECTED = new Set([
  "made new service keys; every instance on this store needs a copy of this file",
  "the store is not as safe as it could be",
  "spent secret presented",
]);
/** Of Node, when an inspector is opened. */
const INSPECTOR = /^(Debugger (listening|attached|ending)|For help, see: |Waiting for the debugger)/;
const WARNING = 40;

/** What a log tells that it should not, each with how often; and how often it tells that the keys were read again. */
export function faultsInLog(text: string): { faults: Map<string, number>; reloads: number } {
  const faults = new Map<string, number>();
  let reloads = 0;
  for (const line of text.split("\n").filter((each) => each !== "" && !INSPECTOR.test(each))) {
    const { level, msg, reason, cause } = line.startsWith("{") ? JSON.parse(line) : { level: WARNING, msg: line };
    if (msg === "read the keys again") reloads++;
    if (level < WARNING || EXPECTED.has(msg)) continue;
    const why = [reason, cause?.split("\n", 1)[0]].filter((each) => each !== undefined);
    const fault = ["logged", msg, ...why].join(": ");
    faults.set(fault, (faults.get(fault) ?? 0) + 1);
  }
  return { faults, reloads };
}
