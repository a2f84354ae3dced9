/** `["issuers", 0, "issuer"]` as `issuers[0].issuer`. */
export function nameField(path: readonly PropertyKey[]): string {
  const steps = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`));
  return steps.join("").replace(/^\./, "");
}
