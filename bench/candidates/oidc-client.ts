/** The client that introspects at oidc-provider, and for which its tokens are made. */
export const OIDC_CLIENT = { id: "gateway", secret: "the-gateway-secret-of-the-bench-0123456789" };
