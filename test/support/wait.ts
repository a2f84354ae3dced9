/**
 * Asks again and again until the answer is yes. A rejection is a no.
 *
 * @throws Error that says `what` did not come true, with the last rejection as its cause
 */
export async function waitUntil(what: string, ask: () => Promise<boolean>, milliseconds = 10_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (true) {
    let cause: unknown;
    const yes = await ask().catch((error: unknown) => {
      cause = error;
      return false;
    });
    if (yes) return;
    if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`, { cause });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
