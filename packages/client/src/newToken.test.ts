import { expect, test } from 'vitest';
import { handshakeSchema } from '@chorale/protocol';
import { newToken } from './newToken.ts';

test('is 256 bits as a handshake takes them, and another one each time', () => {
  const tokens = Array.from({ length: 200 }, newToken);
  expect(new Set(tokens).size).toBe(200);
  for (const token of tokens) {
    expect(Buffer.from(token, 'base64url')).toHaveLength(32);
    expect(handshakeSchema.shape.newToken.parse(token)).toBe(token);
  }
});
