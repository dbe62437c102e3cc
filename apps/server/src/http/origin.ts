/**
 * True when a request comes from a page of this server, or from no browser at all (which sends no Origin). Browsers
 * let any page open a WebSocket to any server, with cookies; only this check refuses foreign ones.
 */
export function sameOrigin(headers: { origin?: string | undefined; host?: string | undefined }): boolean {
  if (headers.origin === undefined) return true;
  try {
    return new URL(headers.origin).host === headers.host;
  } catch {
    return false; // "null" of a sandboxed page
  }
}
