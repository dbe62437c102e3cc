/**
 * GPT-2's words: contractions, letters, digits and the rest, each with the space before it; other spaces by themselves.
 * \s is written out as White_Space, since JavaScript's own lacks U+0085 and has U+FEFF.
 * @see Radford et al. 2019, `pat` in openai/gpt-2, src/encoder.py
 */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** A character for each byte: itself where it is printable in Latin-1, else one from U+0100 on. */
export const BYTE_CHARACTERS: readonly string[] = byteCharacters();

const encoder = new TextEncoder();

/** Words of a text in UTF-8, a character for each byte. */
export function* byteLevelWords(text: string, addPrefixSpace: boolean): Generator<string> {
  const spaced = addPrefixSpace && !text.startsWith(' ') ? ` ${text}` : text;
  for (const [word] of spaced.matchAll(WORDS)) {
    let characters = '';
    for (const byte of encoder.encode(word)) characters += BYTE_CHARACTERS[byte]!;
    yield characters;
  }
}

function byteCharacters(): string[] {
  let unprintable = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    return String.fromCharCode(printable ? byte : 0x100 + unprintable++);
  });
}
