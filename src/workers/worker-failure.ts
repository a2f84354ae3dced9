/** A worker that ended before it served; the message is fit for the person who started it. */
export class WorkerFailure extends Error {
  override readonly name = "WorkerFailure";
}
