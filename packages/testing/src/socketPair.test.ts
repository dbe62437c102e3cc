import { describe, expect, it } from 'vitest';
import { socketPair } from './socketPair.ts';

function recorded() {
  const pair = socketPair<string, string>();
  const heard = { client: [] as string[], server: [] as string[] };
  for (const side of ['client', 'server'] as const) {
    pair[side].onMessage = (message) => heard[side].push(message);
    pair[side].onClose = () => heard[side].push('(closed)');
  }
  return { pair, heard };
}

describe('socketPair', () => {
  it('delivers in order, as many as it is told, and answers later', () => {
    const { pair, heard } = recorded();
    pair.server.onMessage = (message) => {
      heard.server.push(message);
      pair.server.send(`re ${message}`);
    };
    for (const message of ['1', '2', '3']) pair.client.send(message);
    expect(pair.deliver('server', 2)).toBe(2);
    expect(heard).toEqual({ server: ['1', '2'], client: [] });
    expect(pair.inTransit('server')).toBe(1);
    expect(pair.inTransit('client')).toBe(2);
    pair.deliver('client');
    expect(heard.client).toEqual(['re 1', 're 2']);
  });

  it('loses what is in the line when it is cut; each end hears of it when told', () => {
    const { pair, heard } = recorded();
    pair.client.send('lost');
    pair.server.send('lost');
    pair.cut();
    expect(pair.client.isOpen && pair.server.isOpen).toBe(true);
    pair.client.send('into nothing');
    pair.deliver('client');
    expect(pair.client.isOpen).toBe(false);
    expect(pair.server.isOpen).toBe(true);
    pair.deliver('server');
    expect(heard).toEqual({ server: ['(closed)'], client: ['(closed)'] });
    pair.server.send('after the end');
    expect(pair.inTransit('client')).toBe(0);
  });

  it('lets what was sent before a close arrive, and nothing go to who closed', () => {
    const { pair, heard } = recorded();
    pair.server.send('too late');
    pair.client.send('last words');
    pair.client.close();
    pair.server.send('too late as well');
    pair.deliver('client');
    pair.deliver('server');
    expect(heard).toEqual({ server: ['last words', '(closed)'], client: [] });
  });

  it('hands over copies', () => {
    const pair = socketPair<{ bytes: Uint8Array }, never>();
    const received: Uint8Array[] = [];
    pair.server.onMessage = ({ bytes }) => received.push(bytes);
    const bytes = Uint8Array.of(1);
    pair.client.send({ bytes });
    bytes[0] = 9;
    pair.deliver('server');
    expect(received).toEqual([Uint8Array.of(1)]);
  });
});
