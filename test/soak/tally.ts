import { nameFailure } from "../support/answers.ts";

/** What clients have asked, and what they were told that they should not have been. */
export class Tally {
  calls = 0;
  /** By what it was, without anything secret. */
  readonly faults = new Map<string, number>();

  /** Counts a call that must be answered, or must be given up by the client. */
  async ask<T>(call: Promise<T>): Promise<T> {
    this.calls++;
    return call;
  }

  /** Makes a call that must be refused with this code and reason. */
  async refused(what: string, call: Promise<unknown>, expected: string): Promise<void> {
    const outcome = await this.ask(call).then(() => "answered", nameFailure);
    this.expect(what, outcome, expected);
  }

  expect<T extends string | number | boolean | undefined>(what: string, actual: T, expected: T): void {
    if (actual !== expected) this.note(`${what}: ${actual} instead of ${expected}`);
  }

  note(fault: string): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }
}
