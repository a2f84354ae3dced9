/** On every answer, because it may carry secrets: nobody may keep it, or guess at what type it is. */
export const protectiveHeaders = { "cache-control": "no-store", "x-content-type-options": "nosniff" } as const;
