export type OriginRule = (headers: { origin?: string | undefined; host?: string | undefined }) => boolean;

/**
 * Which pages may speak to this server. Browsers let any page open a WebSocket to any server, with cookies; only this
 * check refuses foreign ones. What sends no Origin is no browser's page.
 * @param publicOrigins the addresses under which people open the pages ("https://chorale.example"); none: whatever host
 *   the request names, which is right as long as nobody but this server answers under it
 */
export function originRule(publicOrigins: readonly string[]): OriginRule {
  const allowed = new Set(publicOrigins.map((origin) => new URL(origin).origin));
  return ({ origin, host }) => {
    if (origin === undefined) return true;
    try {
      const url = new URL(origin);
      return allowed.size > 0 ? allowed.has(url.origin) : url.host === host;
    } catch {
      return false; // "null" of a sandboxed page
    }
  };
}
