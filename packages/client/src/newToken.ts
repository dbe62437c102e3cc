import type { KeptIdentity } from './ledger.ts';

/** Somebody whom no server has heard of yet. */
export function newcomer(planHash: string): KeptIdentity {
  return { contributorId: null, token: newToken(), planHash };
}

/** A secret for somebody new: 256 bits of Web Crypto's generator as 43 characters of base64url. */
export function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replace('=', '');
}
